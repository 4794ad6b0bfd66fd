"""Discovery of Essaim: registers nodes and signs the network view."""
