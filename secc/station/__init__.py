"""Where everything meets: sockets, clocks, threads, and the conversations that know of none of them."""
