"""Hydra finds its plugins here: our sweeper and launcher, thin covers of dlexp/sweep/."""
