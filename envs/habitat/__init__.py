"""Habitat scenes as Gymnasium environments with the observations of our MuJoCo worlds. See docs/habitat.md."""
