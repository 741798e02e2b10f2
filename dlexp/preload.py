"""What the server that forks a sweep's jobs imports once, so that each job starts in a fraction of a second."""

import torch
import torch.utils.tensorboard

import dlexp.child
import dlexp.experiment

# Threads started before a fork do not exist in the child; these imports start none.
__all__ = ["dlexp", "torch"]
