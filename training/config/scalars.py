"""Numbers that configuration files write as arithmetic, such as "1.0/255.0"."""

import ast
import operator
import re
from collections.abc import Callable

LONGEST = 100
WRITTEN = re.compile(r"[0-9.eE+\-*/() ]+")
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def number(value: float | str) -> float:
    """A number, or the value of a text of numbers, + - * / and brackets. Nothing else in the text has a meaning.

    Raises:
        ValueError: for any other text.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or len(value) > LONGEST or not WRITTEN.fullmatch(value):
        raise ValueError(f"wanted a number, or arithmetic such as '1.0/255.0', got {str(value)[:LONGEST]!r}")
    try:
        return _evaluate(ast.parse(value.strip(), mode="eval").body)
    except (SyntaxError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{value!r} is no arithmetic of numbers ({error})") from error


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    raise TypeError("only numbers, + - * / and brackets")
