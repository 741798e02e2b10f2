"""Which name was meant."""

from dlexp.errors import did_you_mean


def test_did_you_mean_prefers_the_same_letters() -> None:
    assert did_you_mean("vgg61", ["vgg11", "vgg16", "vgg19"]) == " Did you mean 'vgg16'?"
    assert did_you_mean("rl", ["momentum", "lr", "foreach"]) == " Did you mean 'lr'?"
    assert did_you_mean("xyz", ["sgd", "adam"]) == ""
