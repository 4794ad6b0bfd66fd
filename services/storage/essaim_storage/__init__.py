"""The storage node of Essaim: keeps the mailboxes of its swarm until every device has them."""
