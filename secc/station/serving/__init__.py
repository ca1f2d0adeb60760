"""One outlet at work: its board, its sockets, and the conversations that serve a car."""
