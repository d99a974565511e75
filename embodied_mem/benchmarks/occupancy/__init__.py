"""How true, how cheap and how forgetful an occupancy map is, next to the maps that robots run today."""
