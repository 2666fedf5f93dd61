// The program is assembled here.
