"""Two-party sums, the part without sockets and disks: what leader and helper compute (`party`), and the noise of each (`noise`)."""
