"""A teacher's weights against the sums that they stand for."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_audio.semi_supervised._mean_teacher import MeanTeacher, ramp_up


def make_student():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def steps_of(student, n_steps):
    """Change every weight and every statistic, and count, as training would."""
    rng = np.random.default_rng(0)
    for _ in range(n_steps):
        student = deepcopy(student)
        for value in student.state_dict().values():
            if value.is_floating_point():
                value += torch.tensor(rng.normal(size=tuple(value.shape))).to(value)
            else:
                value += 3
        yield student


def follow(teacher, student, decay, n_steps):
    """Return the names of what is averaged, and its values: (n_steps, ...) each."""
    states = []
    for step in steps_of(student, n_steps):
        teacher.follow(step, decay)
        states.append({k: v.numpy().copy() for k, v in step.state_dict().items()})
    return {name: np.stack([state[name] for state in states]) for name in states[0]}


def is_counter(name):
    return name.endswith("num_batches_tracked")


def test_the_teacher_begins_as_a_copy_of_the_student():
    student = make_student()
    teacher = MeanTeacher(student).eval()
    X = torch.linspace(-1, 1, 15).reshape(5, 3)
    before = student.eval()(X)
    torch.testing.assert_close(teacher(X), before, rtol=0, atol=0)
    with torch.no_grad():
        student[0].weight.add_(1.0)
    torch.testing.assert_close(teacher(X), before, rtol=0, atol=0)


def test_the_teacher_learns_no_gradients():
    teacher = MeanTeacher(make_student())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    student = make_student()
    MeanTeacher(student)
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_at_first_the_teacher_is_the_mean_of_all_students():
    student = make_student()
    teacher = MeanTeacher(student)
    steps = follow(teacher, student, decay=0.99, n_steps=7)
    for name, value in teacher.network.state_dict().items():
        if not is_counter(name):
            np.testing.assert_allclose(value, steps[name].mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("decay", [0.3, 0.6, 0.9])
def test_later_the_teacher_forgets_the_oldest_students(decay):
    student, n_steps = make_student(), 20
    teacher = MeanTeacher(student)
    steps = follow(teacher, student, decay, n_steps)
    # 1 - 1/(t+1) < decay for the first students, whose plain mean then fades.
    n_first = sum(1 - 1 / (t + 1) < decay for t in range(n_steps))
    n_last = n_steps - n_first
    shares = np.concatenate(
        [
            np.full(n_first, decay**n_last / n_first),
            (1 - decay) * decay ** np.arange(n_last - 1, -1, -1),
        ]
    )
    assert shares.sum() == pytest.approx(1)
    for name, value in teacher.network.state_dict().items():
        if not is_counter(name):
            expected = np.tensordot(shares, steps[name], axes=1)
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_statistics_are_averaged_and_counters_copied():
    student = make_student()
    teacher = MeanTeacher(student)
    steps = follow(teacher, student, decay=0.9, n_steps=3)
    state = teacher.network.state_dict()
    for name in ("1.running_mean", "1.running_var"):
        np.testing.assert_allclose(state[name], steps[name].mean(axis=0), rtol=1e-5)
        assert not np.allclose(state[name], steps[name][-1], rtol=0.01)
    assert int(state["1.num_batches_tracked"]) == 9
    assert int(teacher.n_steps) == 3


def test_without_decay_the_teacher_is_the_student():
    student = make_student()
    teacher = MeanTeacher(student)
    steps = follow(teacher, student, decay=0.0, n_steps=4)
    for name, value in teacher.network.state_dict().items():
        np.testing.assert_array_equal(value, steps[name][-1])


def test_the_first_weights_are_forgotten_at_the_first_step():
    student = make_student()
    near, far = MeanTeacher(student), MeanTeacher(student)
    with torch.no_grad():
        for parameter in far.parameters():
            parameter.fill_(1e3)
    for teacher in (near, far):
        follow(teacher, student, decay=0.99, n_steps=1)
    for name, value in near.network.state_dict().items():
        np.testing.assert_array_equal(value, far.network.state_dict()[name])


def test_the_student_is_left_alone():
    student = make_student()
    teacher = MeanTeacher(student)
    follow(teacher, student, decay=0.5, n_steps=2)
    (step,) = steps_of(student, 1)
    before = deepcopy(step.state_dict())
    teacher.follow(step, decay=0.5)
    for name, value in step.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_ramp_rises_to_one_and_stays_there():
    progress = np.linspace(0, 1, 50)
    weights = [ramp_up(p) for p in progress]
    assert (np.diff(weights) > 0).all()
    assert weights[0] == pytest.approx(np.exp(-5))
    assert weights[-1] == ramp_up(1.7) == 1
    assert ramp_up(0.5) == pytest.approx(np.exp(-1.25))
