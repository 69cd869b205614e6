"""LabelEmbedding: the words of a label, their mean, and what is missing."""

import csv
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils import estimator_checks, get_tags

from sklearn_audio.zero_shot import LabelEmbedding
from sklearn_audio.zero_shot._label_embedding import split_label

WORDS = {
    "dog": [1.0, 0.0, 0.5],
    "bark": [0.0, 0.5, 0.0],
    "car": [0.0, 1.0, 0.25],
    "horn": [4.0, 0.0, -1.0],
    "car_alarm": [7.0, 7.0, 7.0],
    "TV": [2.0, 2.0, 0.0],
    "Paris": [0.0, 3.0, 3.0],
}
LABELS = ["dog_bark", "car horn", "car_alarm", "the dog"]


def row(*words):
    """Return the mean of some words' vectors, number by number."""
    return [sum(WORDS[w][i] for w in words) / len(words) for i in range(3)]


def embed(*labels, **params):
    return LabelEmbedding(WORDS, **params).fit_transform(list(labels))


# -- The words of a label --------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("dog", "dog"),
        ("sea_waves", "sea waves"),
        ("Vehicle horn, car horn, honking", "Vehicle horn car horn honking"),
        ("Clip-clop", "Clip clop"),
        ("hiss/static", "hiss static"),
        ("Fire engine, fire truck (siren)", "Fire engine fire truck siren"),
        ("rock & roll;blues: live", "rock roll blues live"),
        ("Dental drill, dentist's drill", "Dental drill dentist's drill"),
        ("AirConditioner", "Air Conditioner"),
        ("carHorn", "car Horn"),
        ("TVShow", "TV Show"),
        ("BBC", "BBC"),
        ("__gun\tshot ", "gun shot"),
        ("niño llorando", "niño llorando"),
        ("كلب ينبح", "كلب ينبح"),
        ("3D-printer", "3D printer"),
        (" - ", ""),
    ],
)
def test_labels_are_split_into_these_words(label, words):
    assert split_label(label) == words.split()


lower_words = st.lists(st.text("abcdefgxyz'0123456789é", min_size=1), min_size=1)
separators = st.text("_, -/;:&()\t\n", min_size=1, max_size=4)


@given(words=lower_words, data=st.data())
def test_any_separators_between_words_are_forgotten(words, data):
    gaps = data.draw(st.lists(separators, min_size=len(words), max_size=len(words)))
    label = "".join(gap + word for gap, word in zip(gaps, words, strict=True))
    assert split_label(label) == words
    assert split_label(label + gaps[0]) == words


@given(words=st.lists(st.from_regex("[A-Z][a-z]+", fullmatch=True), min_size=1))
def test_camel_case_is_taken_apart(words):
    label = "".join(words)
    assert split_label(label) == words
    assert split_label(label[0].lower() + label[1:])[1:] == words[1:]


@given(label=st.text())
def test_nothing_but_separators_is_lost_and_words_are_not_split_again(label):
    words = split_label(label)
    assert "".join(words) == re.sub(r"[\s_,;:/&()-]", "", label)
    assert split_label(" ".join(words)) == words
    assert all(split_label(word) == [word] for word in words)


# -- The vector of a label -------------------------------------------------------------


def test_a_label_has_the_mean_of_its_words():
    expected = [row("dog", "bark"), row("car", "horn", "horn"), row("dog")]
    vectors = embed("dog_bark", "car horn (horn)", "dog")
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.float32(expected))


@given(labels=st.lists(st.lists(st.sampled_from(["dog", "car", "horn"]), min_size=1)))
def test_rows_depend_neither_on_each_other_nor_on_separators_and_case(labels):
    texts = ["_".join(words) for words in [*labels, ["bark"]]]
    together = embed(*texts)
    for text, vector in zip(texts, together, strict=True):
        other_spelling = text.replace("_", ", ").upper()
        np.testing.assert_array_equal(embed(text), [vector])
        np.testing.assert_array_equal(embed(other_spelling), [vector])


def test_a_whole_label_in_the_vocabulary_comes_first():
    for label in ("car_alarm", "Car_Alarm", " car_alarm "):
        np.testing.assert_array_equal(embed(label), [WORDS["car_alarm"]])
    # Its words are "car" and the unknown "alarm".
    np.testing.assert_array_equal(embed("car alarm"), [row("car")])


@pytest.mark.parametrize(
    ("vocabulary", "label", "chosen"),
    [
        ("Dog dog", "Dog", "Dog"),
        ("Dog dog", "DOG", "dog"),
        ("Dog DOG", "dog", "Dog"),
        ("Dog dog bark", "Dog bark", "dog bark"),
        ("Dog bark", "dog bark", "Dog bark"),
        ("TV tV show", "TV show", "TV show"),
        ("Tv show", "TV show", "Tv show"),
        ("Tv tv show", "TV show", "tv show"),
    ],
)
def test_case_is_forgiven_in_this_order(vocabulary, label, chosen):
    vectors = dict(zip(vocabulary.split(), np.eye(3), strict=False))
    expected = np.mean([vectors[word] for word in chosen.split()], axis=0)
    np.testing.assert_array_equal(
        LabelEmbedding(vectors).fit_transform([label]), [expected.astype(np.float32)]
    )


def test_every_source_gives_the_same_vectors(tmp_path, write_vectors, format_name):
    path = write_vectors(tmp_path, format_name, WORDS)

    class KeyedVectors:
        key_to_index = {word: index for index, word in enumerate(WORDS)}

        def __getitem__(self, word):
            return np.float32(WORDS[word])

    expected = embed(*LABELS)
    for vectors in (path, str(path), KeyedVectors()):
        np.testing.assert_array_equal(
            LabelEmbedding(vectors).fit_transform(LABELS), expected
        )


# -- Words without a vector ------------------------------------------------------------


def test_unknown_words_are_left_out_and_listed():
    embedding = LabelEmbedding(WORDS).fit(["The Dog of the car", "dog", "big car"])
    np.testing.assert_array_equal(
        embedding.transform(["The Dog of the car"]), [row("dog", "car")]
    )
    assert embedding.missing_words_ == {
        "The Dog of the car": ["the", "of"],
        "big car": ["big"],
    }
    assert LabelEmbedding(WORDS).fit(["dog"]).missing_words_ == {}


@pytest.mark.parametrize("out_of_vocabulary", ["ignore", "error"])
def test_labels_without_any_vector_are_an_error_that_names_them(out_of_vocabulary):
    embedding = LabelEmbedding(WORDS, out_of_vocabulary=out_of_vocabulary)
    for method in (embedding.fit, embedding.transform):
        with pytest.raises(ValueError, match=r"have no vector|has a vector") as caught:
            method(["dog", "church_bells", "rain"])
        message = str(caught.value)
        named = "2 of 3 labels, 'church_bells' (church, bells), 'rain' (rain),"
        assert named in message
        assert "give vectors= that hold" in message


def test_any_unknown_word_is_an_error_on_demand():
    embedding = LabelEmbedding(WORDS, out_of_vocabulary="error")
    np.testing.assert_array_equal(embedding.fit_transform(["dog"]), [row("dog")])
    for method in (embedding.fit, embedding.transform):
        with pytest.raises(ValueError, match=r"1 of 2 labels, 'the dog' \(the\), have"):
            method(["the dog", "dog_bark"])


def test_an_error_names_ten_labels_and_counts_the_others():
    labels = [f"sound{index}" for index in range(12)]
    with pytest.raises(ValueError, match=r"12 of 12 labels.* and 2 more, has"):
        LabelEmbedding(WORDS).fit(labels)


# -- Embedders of sentences ------------------------------------------------------------


def test_a_callable_gets_each_label_once_as_it_is():
    calls = []

    def lengths(texts):
        calls.append(texts)
        return [[len(text), text.count(" ")] for text in texts]

    embedding = LabelEmbedding(lengths, out_of_vocabulary="error")
    vectors = embedding.fit_transform(["a Dog", "car_horn", "a Dog"])
    np.testing.assert_array_equal(vectors, np.float32([[5, 1], [8, 0], [5, 1]]))
    embedding.transform(["car_horn", "cow", "cow"])
    assert calls == [["a Dog", "car_horn"], ["cow"]]
    assert embedding.missing_words_ == {}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.ones((1, 3)), "called with 2 texts and returned a ndarray"),
        (np.ones((3, 3)), "called with 2 texts and returned a ndarray"),
        (None, "called with 2 texts and returned a NoneType"),
        (np.ones(2), r"the vector of 'car' has the shape \(\)"),
        ([[1.0], [1.0, 2.0]], "1 numbers for 'car', 2 for 'dog'"),
        (np.array([[1.0, 2.0], [np.nan, 0.0]]), "the vector of 'dog' holds NaN"),
    ],
)
def test_a_callable_that_answers_amiss_is_an_error(answer, message):
    with pytest.raises(ValueError, match=message):
        LabelEmbedding(lambda texts: answer).fit(["car", "dog"])


# -- Bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("dog", TypeError, r"single str.*\[X\]"),
        (b"dog", TypeError, r"single bytes.*\[X\]"),
        ([], ValueError, "no labels"),
        (np.array([], dtype=str), ValueError, "no labels"),
        (np.array([["dog"], ["car"]]), ValueError, r"shape \(2, 1\)"),
        (pd.DataFrame({"label": ["dog"]}), ValueError, r"shape \(1, 1\)"),
        ({"dog"}, ValueError, r"shape \(\)"),
        (["dog", 3], TypeError, "label 1 is 3, a int"),
        (np.array([1, 2]), TypeError, "label 0 is 1, a int"),
        (["dog", None], TypeError, "label 1 is None, a NoneType"),
        (pd.Series(["dog", None]), TypeError, "label 1 is (None|nan)"),
        (["dog", b"car"], TypeError, "label 1 is b'car', a bytes"),
        (["dog", ["car"]], TypeError, r"label 1 is \['car'\], a list"),
        (["dog", ""], ValueError, r"label 1 \(''\) has no words"),
        (["dog", " _ "], ValueError, r"label 1 \(' _ '\) has no words"),
    ],
)
def test_bad_labels_are_refused_in_fit_and_transform(X, error, message):
    for method in ("fit", "transform"):
        with pytest.raises(error, match=message):
            getattr(LabelEmbedding(WORDS), method)(X)


@pytest.mark.parametrize("vectors", [None, 3, ["dog"], np.ones((2, 3)), b"file.bin"])
def test_vectors_of_another_kind_are_refused(vectors):
    with pytest.raises(TypeError, match=r"vectors is a .*expected a path"):
        LabelEmbedding(vectors).fit(["dog"])


@pytest.mark.parametrize("value", ["skip", None, 1])
def test_bad_parameter_is_named(value):
    for method in ("fit", "transform"):
        with pytest.raises(ValueError, match="'out_of_vocabulary' parameter of Label"):
            getattr(LabelEmbedding(WORDS, out_of_vocabulary=value), method)(["dog"])


def test_vectors_of_another_length_than_in_fit_are_refused():
    embedding = LabelEmbedding(WORDS).fit(["dog"])
    embedding.set_params(vectors={"cat": [1.0, 2.0]})
    with pytest.raises(ValueError, match="gives 2 numbers a label, but gave 3 in fit"):
        embedding.transform(["cat"])


# -- A scikit-learn citizen ------------------------------------------------------------

# check_estimator feeds numbers, so of its checks there remain those without data.
CHECKS_WITHOUT_DATA = [
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]


def test_scikit_learn_checks():
    with pytest.warns(SkipTestWarning, match="Can't test estimator LabelEmbedding"):
        results = estimator_checks.check_estimator(LabelEmbedding(WORDS))
    assert {result["status"] for result in results} == {"passed"}


@pytest.mark.parametrize("check", CHECKS_WITHOUT_DATA, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "vectors", [WORDS, "vectors.bin", len], ids=["dict", "path", "f"]
)
def test_scikit_learn_checks_without_data(check, vectors):
    check("LabelEmbedding", LabelEmbedding(vectors))


def test_tags_say_that_texts_come_in():
    tags = get_tags(LabelEmbedding(WORDS))
    assert tags.input_tags.string
    assert tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array
    assert not tags.requires_fit


@pytest.mark.parametrize(
    "collect", [list, tuple, np.array, pd.Series, lambda X: np.array(X, dtype=object)]
)
def test_any_collection_of_labels_is_welcome(collect):
    labels = [*LABELS, LABELS[1]]
    vectors = LabelEmbedding(WORDS).fit_transform(collect(labels))
    np.testing.assert_array_equal(vectors[4], vectors[1])
    np.testing.assert_array_equal(vectors[:4], embed(*LABELS))


def test_fit_learns_each_label_once_and_changes_nothing_else():
    vectors = {word: np.array(vector) for word, vector in WORDS.items()}
    labels = np.array(LABELS * 2)
    embedding = LabelEmbedding(vectors)
    assert embedding.fit(labels) is embedding
    assert embedding.labels_.tolist() == sorted(LABELS)
    np.testing.assert_array_equal(
        embedding.vectors_, embedding.transform(sorted(LABELS))
    )
    assert embedding.vectors is vectors
    assert {word: vector.tolist() for word, vector in vectors.items()} == WORDS
    assert labels.tolist() == LABELS * 2
    # Whoever changes the result must not change what was learned.
    embedding.transform(["dog_bark"])[:] = 9
    np.testing.assert_array_equal(embedding.transform(LABELS), embed(*LABELS))


def test_fitting_again_forgets_the_labels_before():
    embedding = LabelEmbedding(WORDS).fit(LABELS).fit(["car"])
    assert embedding.labels_.tolist() == ["car"]
    assert embedding.missing_words_ == {}


def test_transform_needs_no_fit():
    embedding = LabelEmbedding(WORDS)
    np.testing.assert_array_equal(embedding.transform(LABELS), embed(*LABELS))
    assert not hasattr(embedding, "labels_")
    with pytest.raises(NotFittedError):
        embedding.get_feature_names_out()


def test_dimensions_have_names():
    embedding = LabelEmbedding(WORDS).set_output(transform="pandas")
    frame = embedding.fit_transform(pd.Series(LABELS, index=list("abcd")))
    assert list(frame.columns) == [f"labelembedding{index}" for index in range(3)]
    assert list(frame.index) == list("abcd")
    assert list(embedding.get_feature_names_out()) == list(frame.columns)


def test_composes_with_pipelines_and_columns_of_tables():
    unit = make_pipeline(LabelEmbedding(WORDS), Normalizer())
    norms = np.linalg.norm(unit.fit_transform(LABELS), axis=1)
    np.testing.assert_allclose(norms, 1, rtol=1e-6)
    assert len(unit.get_feature_names_out()) == 3
    columns = ColumnTransformer([("label", LabelEmbedding(WORDS), "label")])
    vectors = columns.fit_transform(pd.DataFrame({"label": LABELS, "clip": range(4)}))
    np.testing.assert_array_equal(vectors, embed(*LABELS))


@pytest.fixture
def fitted(tmp_path, write_vectors):
    path = write_vectors(tmp_path, "word2vec_binary", WORDS)
    return LabelEmbedding(str(path)).fit(LABELS)


def test_clones_and_dumps_embed_the_same(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "embedding.joblib")
    copies = [
        clone(fitted),
        pickle.loads(pickle.dumps(fitted)),  # noqa: S301
        joblib.load(tmp_path / "embedding.joblib"),
    ]
    for copy in copies:
        assert copy.get_params() == fitted.get_params()
        np.testing.assert_array_equal(
            copy.transform([*LABELS, "horn"]), fitted.transform([*LABELS, "horn"])
        )


def test_skops_loads_a_dump_that_names_our_class_alone(fitted):
    dump = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=dump)
    assert untrusted == ["sklearn_audio.zero_shot._label_embedding.LabelEmbedding"]
    loaded = skops.io.loads(dump, trusted=untrusted)
    assert loaded.missing_words_ == fitted.missing_words_
    np.testing.assert_array_equal(loaded.transform(LABELS), embed(*LABELS))


def test_a_dump_knows_its_labels_where_there_is_no_file(
    fitted, tmp_path, in_a_new_process
):
    (tmp_path / "vectors_word2vec_binary").unlink()
    (vectors,) = in_a_new_process(fitted, np.array(LABELS), "transform")
    np.testing.assert_array_equal(vectors, embed(*LABELS))
    with pytest.raises(FileNotFoundError, match="no such file"):
        fitted.transform(["horn"])


# -- Published vectors -----------------------------------------------------------------


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def cosines(embedding, label, others):
    vector, *rest = embedding.transform([label, *others])
    return [cosine(vector, other) for other in rest]


@pytest.fixture(scope="module")
def audioset(real_data):
    return LabelEmbedding(real_data / "word_vectors" / "audioset527_word2vec300.npz")


@pytest.fixture(scope="module")
def frequent_words(real_data):
    return LabelEmbedding(real_data / "word_vectors" / "word2vec_top1000_300.npz")


def test_every_category_of_esc50_has_a_vector(real_data, audioset):
    with (real_data / "word_vectors" / "esc50_to_audioset.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["category"] for row in rows}) == 50
    labels = {row["category"]: row["audioset_label"] for row in rows}
    # AudioSet has no label for cans that are opened; "Chink, clink" comes near.
    assert [name for name, label in labels.items() if not label] == ["can_opening"]
    labels["can_opening"] = "Chink, clink"
    with np.load(audioset.vectors) as archive:
        published = dict(zip(archive["label"], archive["vectors"], strict=True))
    vectors = audioset.fit_transform(list(labels.values()))
    assert audioset.missing_words_ == {}
    np.testing.assert_array_equal(
        vectors, [published[name] for name in labels.values()]
    )


def test_animals_lie_closer_to_each_other_than_to_machines(audioset, frequent_words):
    for embedding in (audioset, frequent_words):
        cat, horse, car, door = cosines(
            embedding, "dog", ["cat", "horse", "car", "door"]
        )
        assert min(cat, horse) > 0.4 > max(car, door)
    storm, siren = cosines(audioset, "rain", ["thunderstorm", "siren"])
    assert storm > siren + 0.3


def test_means_of_words_agree_with_published_vectors_of_whole_labels(
    audioset, frequent_words
):
    """Somebody else averaged these, of words that were not normalised before."""
    for label in ("Child singing", "Children playing", "Machine gun", "Dog", "Wind"):
        alike = cosine(*audioset.transform([label]), *frequent_words.transform([label]))
        others = cosine(
            *audioset.transform(["Radio"]), *frequent_words.transform([label])
        )
        assert alike > 0.995 > 0.5 > others
    labels = audioset.fit(["Inside, small room"]).labels_
    assert cosine(*audioset.vectors_, *frequent_words.transform(labels)) > 0.995
