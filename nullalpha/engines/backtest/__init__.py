"""Target positions in; fills, trades, equity and figures out. The rules of simulation stand in `kernel`."""
