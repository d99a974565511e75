"""MuJoCo worlds: a generated home (`household`), its truth (`truth`) and ways to move through it (`tour`)."""
