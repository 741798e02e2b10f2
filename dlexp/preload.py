"""What the server that forks a sweep's jobs loads once, so that each job starts in milliseconds."""

import torch

import dlexp.experiment

# Threads started before a fork do not exist in the child; the import alone starts none.
__all__ = ["dlexp", "torch"]
