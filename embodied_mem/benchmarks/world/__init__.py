"""`embodied-mem bench world`: days in a household, questions about them, and what memories answer."""
