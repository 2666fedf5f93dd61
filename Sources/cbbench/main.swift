// The benchmark program is assembled here.
