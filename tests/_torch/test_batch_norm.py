import torch
from torch import nn

from sklearn_audio._torch._batch_norm import reestimate_batch_norm


def test_statistics_are_those_of_the_batches():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    network.train()
    network(torch.randn(10, 3) * 100 + 50)  # statistics of something else
    batches = [torch.randn(20, 3) * 2 + 5 for _ in range(4)]
    reestimate_batch_norm(network, iter(batches))
    mean = torch.stack([batch.mean(dim=0) for batch in batches]).mean(dim=0)
    variance = torch.stack([batch.var(dim=0) for batch in batches]).mean(dim=0)
    torch.testing.assert_close(network[0].running_mean, mean)
    torch.testing.assert_close(network[0].running_var, variance)
    # No dropout on the way: the second layer sees what it will see in service.
    torch.testing.assert_close(network[2].running_var, torch.ones(3), atol=0.1, rtol=0)
    assert not any(module.training for module in network.modules())
    assert {network[0].momentum, network[2].momentum} == {0.1}


def test_a_network_without_batch_norm_is_never_called():
    network = nn.Linear(2, 2).train()
    reestimate_batch_norm(network, iter([]))
    assert not network.training
