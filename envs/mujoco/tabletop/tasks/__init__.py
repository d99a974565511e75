"""The tasks on the table, by what a robot has to remember: places, colours, motions and counts, orders."""
