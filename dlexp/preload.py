"""What the server that forks a sweep's jobs does once, so that each job starts in a fraction of a second."""

import torch
import torch.utils.tensorboard

import dlexp.experiment
import dlexp.rehearsal
from dlexp.compose import composed

# Threads started before a fork do not exist in the child; these imports start none.
__all__ = ["dlexp", "torch"]

# Hydra's and OmegaConf's parsers remember what they have seen: the first config takes twice as long as those after it.
composed([])
