"""One running outlet: its board, its sockets, and the conversations that serve a car."""
