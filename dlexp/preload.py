"""What the server that forks a sweep's jobs loads once, so that each job starts in milliseconds."""

import torch
import torch.utils.tensorboard

import dlexp.experiment
import dlexp.rehearsal

# Threads started before a fork do not exist in the child; these imports start none.
__all__ = ["dlexp", "torch"]
