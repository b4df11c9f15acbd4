"""What `make bench` measures: the physical limits of this machine and Headgate beside them, in one run."""
