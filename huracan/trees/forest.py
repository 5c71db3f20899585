"""LightGBM's text model as arrays, evaluated by compiled code: bit for bit what the library predicts, without it.

Only what this project trains is read: numerical splits, one class, no missing values. A row costs a few microseconds
and no call into the library, so that a tape, a lane and the live trader evaluate the same arrays in the same order.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from huracan.errors import ArtefactError, DataError

__all__ = ["Forest"]

_COLUMNS: Final = ("C", "W")
"""How compiled code here takes arrays: those that Ray shares are read-only, and would be compiled for once more."""
_DECISIONS: Final = (0, 2)
"""`decision_type` of a numerical split without missing values (bit 1, the default side, then says nothing)."""
ZERO: Final = float(np.float32(1e-35))
"""LightGBM's `kZeroThreshold`; it splits off zeros at plus and minus this number."""
_HEADER: Final = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1"}


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees side by side; tree t has inner nodes and leaves behind `inner[t]` and `outer[t]`.

    Attributes:
        columns: features that a row has.
        inner: int64[T + 1], first inner node of each tree; a tree of one leaf has none.
        outer: int64[T + 1], first leaf.
        feature: int64[nodes], which column a node looks at.
        threshold: float64[nodes], at most this goes left.
        left: int64[nodes], next node of the tree, or ~leaf; likewise `right`.
        right: int64[nodes].
        value: float64[leaves].
        text: the text model that this was read from.
    """

    columns: int
    inner: NDArray[np.int64]
    outer: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    text: str

    def __len__(self) -> int:
        """Return the number of trees."""
        return len(self.inner) - 1

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read a text model.

        Raises:
            ArtefactError: it is damaged, or has what this project does not train (categories, several classes, linear
                leaves, missing values).
        """
        try:
            header, trees = _sections(text)
            for key, wanted in _HEADER.items():
                if header.get(key) != wanted:
                    raise ValueError(f"{key} is {header.get(key)}, not {wanted}")
            if not header["objective"].startswith("binary"):
                raise ValueError(f"its objective is {header['objective']}, not binary")
            columns = int(header["max_feature_idx"]) + 1
            parts = [_tree(section, columns) for section in trees]
            if not parts:
                raise ValueError("it has no tree")
        except (ValueError, LookupError) as error:
            raise ArtefactError(f"this text is no tree model that can be read here ({error}); train again") from None
        return cls(
            columns=columns,
            inner=np.cumsum([0, *(len(part[0]) for part in parts)]).astype(np.int64),
            outer=np.cumsum([0, *(len(part[4]) for part in parts)]).astype(np.int64),
            feature=np.concatenate([part[0] for part in parts]).astype(np.int64),
            threshold=np.concatenate([part[1] for part in parts]).astype(np.float64),
            left=np.concatenate([part[2] for part in parts]).astype(np.int64),
            right=np.concatenate([part[3] for part in parts]).astype(np.int64),
            value=np.concatenate([part[4] for part in parts]).astype(np.float64),
            text=text,
        )

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return float64[n], log-odds of float32[n, >= columns] rows, each by itself.

        Raises:
            DataError: a row lacks columns, or holds NaN or infinity.
        """
        if rows.ndim != 2 or rows.shape[1] < self.columns:
            raise DataError(f"tree model: rows of shape {rows.shape} lack some of its {self.columns} features")
        found = np.empty(len(rows))
        bad = _score(
            np.require(rows, np.float32, _COLUMNS),
            self.columns,
            self.inner,
            self.outer,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.value,
            found,
        )
        if bad >= 0:
            raise DataError(f"tree model: row {bad} of {len(rows)} holds NaN or infinity; ask warm features only")
        return found

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Travel as text."""
        return Forest.of_text, (self.text,)


@njit(cache=True, nogil=True, error_model="numpy")
def _score(
    rows: NDArray[np.float32],
    columns: int,
    inner: NDArray[np.int64],
    outer: NDArray[np.int64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    value: NDArray[np.float64],
    found: NDArray[np.float64],
) -> int:
    """Write the sum over the trees, in their order; returns the first row that is not finite, else -1."""
    for row in range(rows.shape[0]):
        for column in range(columns):
            if not np.isfinite(rows[row, column]):
                return row
        total = 0.0
        for tree in range(len(inner) - 1):
            first = inner[tree]
            node = 0 if inner[tree + 1] > first else -1
            while node >= 0:
                at = first + node
                entry = np.float64(rows[row, feature[at]])
                if abs(entry) <= ZERO:  # the library reads so small a number as 0
                    entry = np.float64(0.0)
                node = left[at] if entry <= threshold[at] else right[at]
            total += value[outer[tree] + ~node]
        found[row] = total
    return -1


def _sections(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the header and one mapping for each tree."""
    head, mark, _ = text.partition("end of trees")
    if not mark or not head.startswith("tree\n"):
        raise ValueError("it does not begin with `tree`, or lacks its end")
    sections: list[dict[str, str]] = [{}]
    for line in head.splitlines()[1:]:
        key, equals, value = line.partition("=")
        if key == "Tree":
            if int(value) != len(sections) - 1:
                raise ValueError(f"tree {len(sections) - 1} is missing")
            sections.append({})
        elif equals:
            sections[-1][key] = value
    return sections[0], sections[1:]


def _tree(section: dict[str, str], columns: int) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    """Return (feature, threshold, left, right, value) of one tree, checked so that no walk leaves it."""
    leaves = int(section["num_leaves"])
    if section["num_cat"] != "0" or section.get("is_linear", "0") != "0":
        raise ValueError("it has categorical splits or linear leaves")
    value = _numbers(section["leaf_value"], np.float64)
    nodes = [_numbers(section.get(key, ""), np.int64) for key in ("split_feature", "left_child", "right_child")]
    feature, left, right = nodes
    threshold = _numbers(section.get("threshold", ""), np.float64)
    kinds = _numbers(section.get("decision_type", ""), np.int64)
    if (
        leaves < 1
        or value.size != leaves
        or any(len(c) != leaves - 1 for c in (feature, left, right, threshold, kinds))
    ):
        raise ValueError("a tree has more or fewer entries than leaves")
    if not np.isin(kinds, _DECISIONS).all():
        raise ValueError("a split treats missing values apart")
    if not (np.isfinite(value).all() and np.isfinite(threshold).all()):
        raise ValueError("a leaf or a threshold is not finite")
    if ((feature < 0) | (feature >= columns)).any():
        raise ValueError("a split looks at a feature that no row has")
    children = np.concatenate([left, right])
    wanted = np.concatenate([np.arange(1, leaves - 1), ~np.arange(leaves)])
    if leaves > 1 and not np.array_equal(np.sort(children), np.sort(wanted)):
        raise ValueError("the nodes of a tree do not hang together")
    own = np.arange(leaves - 1)
    if (((left >= 0) & (left <= own)) | ((right >= 0) & (right <= own))).any():
        raise ValueError("a node leads back to one before it")
    return feature, threshold, left, right, value


def _numbers(text: str, kind: type) -> NDArray:
    return np.array(text.split(), kind)
