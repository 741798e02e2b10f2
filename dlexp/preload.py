"""What the server that forks a sweep's jobs imports once, so that each job starts in a fraction of a second."""

import rich.console  # 0.2 s
import tensorboard.plugins.custom_scalar.layout_pb2
import tensorboard.plugins.hparams.plugin_data_pb2
import torch
import torch.fx
import torch.utils.tensorboard

import dlexp.child
import dlexp.experiment
import dlexp.profiling

# Threads started before a fork do not exist in the child; these imports start none.
__all__ = ["dlexp", "rich", "tensorboard", "torch"]
