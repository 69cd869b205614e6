"""Mixtures are convex combinations of clips and of targets alike."""

import torch

from sklearn_audio._torch._mixup import mixup


def draw(seed, alpha=0.4):
    # A clip of all zeros but for one place says which clips a mixture is made of.
    X = torch.eye(6).reshape(6, 2, 3)
    return mixup(X, torch.eye(6), alpha, torch.Generator().manual_seed(seed))


def test_clips_and_targets_share_their_shares():
    X, targets = draw(0)
    torch.testing.assert_close(X.reshape(6, 6), targets)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
    assert (targets >= 0).all()
    assert ((targets > 0).sum(dim=1) <= 2).all()
    assert ((targets > 0).sum(dim=1) == 2).any()


def test_each_clip_keeps_a_part_of_itself():
    _, targets = draw(1)
    assert (targets.diagonal() > 0).all()


def test_the_generator_decides():
    torch.testing.assert_close(draw(3), draw(3))
    assert not torch.equal(draw(3)[0], draw(4)[0])


def test_shares_do_not_repeat():
    generator = torch.Generator().manual_seed(0)
    shares = set()
    for _ in range(200):
        mixed, _ = mixup(torch.eye(2), torch.eye(2), 1.0, generator)
        shares.update(mixed.diagonal().tolist())
    assert len(shares - {1.0}) > 150


def test_shares_are_beta_distributed():
    n = 4000
    targets = torch.eye(2).repeat(n // 2, 1)
    generator = torch.Generator().manual_seed(0)
    _, mixed = mixup(torch.zeros(n, 1), targets, 0.4, generator)
    # Half of the pairs are of one class: mixed or not, their target is 0 or 1.
    # Variance of a Beta(a, a) number: 1 / (4 (2 a + 1)).
    between = mixed[(mixed[:, 0] > 0) & (mixed[:, 0] < 1), 0]
    torch.testing.assert_close(
        between.var(), torch.tensor(1 / (4 * 1.8)), rtol=0.08, atol=0
    )
