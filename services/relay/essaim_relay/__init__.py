"""The relay of Essaim: unwraps one onion layer and passes the cell on."""
