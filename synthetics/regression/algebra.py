"""The little linear algebra that a fit of five parameters needs."""

from collections.abc import Sequence
from operator import mul

Vector = list[float]
Matrix = list[list[float]]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The sum of the products of two columns of the same length."""
    total: float = sum(map(mul, one, other))
    return total


def inverse(matrix: Matrix) -> Matrix:
    """Of a symmetric, positive definite matrix. Raises ZeroDivisionError if it is singular."""
    size = len(matrix)
    rows = [[*row, *(1.0 if i == j else 0.0 for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = 1.0 / rows[i][i]
        lead = rows[i] = [value * pivot for value in rows[i]]
        for j in range(size):
            factor = rows[j][i]
            if j != i and factor:
                rows[j] = [value - factor * above for value, above in zip(rows[j], lead, strict=True)]
    return [row[size:] for row in rows]


def times(matrix: Matrix, vector: Vector) -> Vector:
    """Matrix times vector."""
    return [dot(row, vector) for row in matrix]
