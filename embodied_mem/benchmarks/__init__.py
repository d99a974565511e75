"""What users run to score a memory: episodes, questions with known answers, timings, and the one result format."""
