"""The derivatives of a bilevel problem at one point, as products with vectors. No matrix is ever formed.

    g_w, f_w, f_h       one reverse pass each
    g_ww v              reverse over reverse (B. A. Pearlmutter, "Fast exact multiplication by the Hessian",
                        Neural Computation 6, 1994): about two gradients
    g_hw v, g_wh u      likewise

What autograd says of a loss that it cannot differentiate is told in the words of the problem: which loss, which
tensor, what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.base.errors import InvalidArgument, message
from trimtab.tuners.gradients.bilevel.flat import Layout, Tensors
from trimtab.tuners.gradients.bilevel.linear_systems import probe
from trimtab.tuners.gradients.bilevel.problem import BilevelProblem, IllPosed, Role

__all__ = [
    "DETACHED",
    "Linearisation",
    "check_problem",
    "derivative",
    "finite",
    "flattest",
    "leaves",
    "mostly",
    "no_such_hyperparameter",
]

DETACHED = "look for .detach(), .item(), .data, torch.no_grad(), a conversion to NumPy, or an integer or boolean op"

FLATTEST_STEPS = 50
"""Products spent on naming a flat parameter, where the curvature turned out not to be positive."""


def leaves(tensors: Tensors) -> dict[str, Tensor]:
    """Detached copies that record gradients."""
    return {name: tensor.detach().clone().requires_grad_() for name, tensor in tensors.items()}


def derivative(
    output: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    what: str,
    along: Tensor | Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    names: Sequence[str] = (),
) -> tuple[Tensor | None, ...]:
    """`torch.autograd.grad`, None for what is not used.

    Arguments:
        output, inputs, along, create_graph, retain_graph: as torch has them.
        what: what is differentiated, for errors.
        names: of the inputs, for errors; the graph has to be retained then.

    Raises:
        InvalidArgument: an operation inside has no such derivative; the text names the inputs that lead through it.
    """
    try:
        return torch.autograd.grad(
            output, inputs, along, create_graph=create_graph, retain_graph=retain_graph, allow_unused=True
        )
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        # Without names there are none to tell.
        cut = [name for name, each in zip(names, inputs, strict=False) if not _differentiable(output, each, along)]
        raise InvalidArgument(
            message(
                f"{what} cannot be differentiated ({error}){f' with respect to {cut}' if cut else ''}",
                allowed="operations with derivatives of first and, in the inner loss, of second order",
                do="replace the operation that the text in brackets names",
            )
        ) from error


def _differentiable(output: Tensor | Sequence[Tensor], each: Tensor, along: Tensor | Sequence[Tensor] | None) -> bool:
    """Whether the derivative by one input alone can be taken."""
    try:
        torch.autograd.grad(output, [each], along, retain_graph=True, allow_unused=True)
    except RuntimeError:
        return False
    return True


def finite(vector: Tensor, layout: Layout, what: str) -> Tensor:
    """The same vector, where all of it is finite.

    Raises:
        IllPosed: it is not; the text names the tensor.
    """
    if not bool(torch.isfinite(vector).all()):
        bad = next(name for name, part in layout.named(vector).items() if not bool(torch.isfinite(part).all()))
        raise IllPosed(
            message(
                f"{what} with respect to {bad!r} holds nan or inf",
                do="look for log, sqrt or a norm at zero, exp of large numbers, or steps that are too long",
            )
        )
    return vector


def mostly(layout: Layout, vector: Tensor) -> str:
    """The parameter that holds most of a flat vector, shape (n,), in words."""
    sizes = {name: float(torch.linalg.vector_norm(part)) for name, part in layout.named(vector).items()}
    return f"parameter {max(sizes, key=lambda name: sizes[name])!r}"


def flattest(here: Linearisation, layout: Layout, largest: float) -> str:
    """The parameter along which the inner loss is flat or bent down, in words; costs `FLATTEST_STEPS` products.

    Steps v <- v - H v / L shrink what lies along curvature, and leave or enlarge the rest.

    Arguments:
        here: the point.
        layout: of the parameters.
        largest: L, the largest curvature seen.
    """
    vector = probe(here.inner_gradient)
    for _ in range(FLATTEST_STEPS if largest > 0.0 else 0):
        vector = vector - here.hessian(vector) / largest
        vector = vector / vector.abs().max()
    return mostly(layout, vector)


class Linearisation:
    """A problem's derivatives at (w, h), on the batches of one step. Vectors are flat, shapes (n,) for w, (p,) for h.

    Arguments:
        problem: the problem.
        parameters, hyperparameters: w and h, as `BilevelProblem.checked_parameters` gives them.
        step: whose batches are used, the same in every product.

    Attributes:
        value: f(w, h).
        inner_gradient: g_w, shape (n,).
        outer_gradient: f_w, shape (n,).
        outer_direct: f_h, shape (p,).
        gradients, products: how many gradients and second-order products were taken so far.

    Raises:
        InvalidArgument, InvalidObservation: a loss that cannot be used; the text names the loss and the tensor.
    """

    def __init__(self, problem: BilevelProblem, parameters: Tensors, hyperparameters: Tensors, step: int = 0) -> None:
        self._problem, self._step = problem, step
        self._layout, self._hyper_layout = problem.layout, problem.hyper_layout
        self._parameters, self._hyperparameters = leaves(parameters), leaves(hyperparameters)
        self.gradients, self.products = 2, 0
        self._loss = self._differentiable("inner")
        inner = derivative(self._loss, self._w, "the inner loss", create_graph=True, names=self._layout.names)
        for name, part in zip(self._layout.names, inner, strict=True):
            if part is None:
                raise InvalidArgument(
                    message(
                        f"parameter {name!r} does not enter the inner loss, so the inner problem does not determine it",
                        do=f"use it or leave it out of the parameters; if it is used, {DETACHED}",
                    )
                )
        self._graph = self._layout.joined([part for part in inner if part is not None])
        self.inner_gradient = finite(self._graph.detach(), self._layout, "the gradient of the inner loss")
        outer = self._differentiable("outer")
        names = [*self._layout.names, *self._hyper_layout.names]
        parts = derivative(outer, [*self._w, *self._h], "the outer loss", retain_graph=True, names=names)
        count = len(self._w)
        self.value = float(outer.detach())
        self.outer_gradient = finite(
            self._joined(parts[:count], self._layout), self._layout, "the gradient of the outer loss"
        )
        self.outer_direct = finite(
            self._joined(parts[count:], self._hyper_layout), self._hyper_layout, "the gradient of the outer loss"
        )
        self._check_hyperparameters(parts[count:])

    @property
    def _w(self) -> list[Tensor]:
        return list(self._parameters.values())

    @property
    def _h(self) -> list[Tensor]:
        return list(self._hyperparameters.values())

    def hessian(self, vector: Tensor) -> Tensor:
        """g_ww v, shape (n,)."""
        return self._product(self._graph, self._w, vector, self._layout, "the gradient of the inner loss")

    def mixed(self, vector: Tensor) -> Tensor:
        """g_hw v, shape (p,), for v of shape (n,)."""
        return self._product(self._graph, self._h, vector, self._hyper_layout, "the gradient of the inner loss")

    def mixed_transposed(self, vector: Tensor) -> Tensor:
        """g_wh u, shape (n,), for u of shape (p,)."""
        what = "the inner loss"
        slopes = derivative(self._loss, self._h, what, create_graph=True)
        self.gradients += 1
        slope = self._joined(slopes, self._hyper_layout)
        return self._product(slope, self._w, vector, self._layout, f"the gradient of {what} in the hyperparameters")

    def moved(self, shift: Tensor) -> Linearisation:
        """The same at w + shift; the counts go on."""
        there = self._layout.named(self._layout.flat(self._parameters).detach() + shift)
        made = Linearisation(self._problem, there, self._hyperparameters, self._step)
        made.gradients, made.products = self.gradients + 2, self.products
        return made

    def _differentiable(self, role: Role) -> Tensor:
        """A loss that has a graph."""
        loss = self._problem.loss(role, self._parameters, self._hyperparameters, self._step)
        if not loss.requires_grad:
            raise InvalidArgument(
                message(
                    f"the {role} loss depends on none of the tensors {[*self._parameters, *self._hyperparameters]} "
                    "through operations that have derivatives",
                    do=DETACHED,
                )
            )
        return loss

    def _product(self, output: Tensor, inputs: list[Tensor], vector: Tensor, layout: Layout, what: str) -> Tensor:
        """The transposed Jacobian of `output` in `inputs`, times a vector."""
        self.products += 1
        if not output.requires_grad:  # linear in everything: all second derivatives are zero
            return vector.new_zeros(layout.size)
        return self._joined(derivative(output, inputs, what, vector, retain_graph=True), layout)

    def _check_hyperparameters(self, direct: Sequence[Tensor | None]) -> None:
        """Refuse a hyperparameter that enters neither the outer loss nor the inner gradient."""
        through: Sequence[Tensor | None] = [None] * len(self._h)
        if self._graph.requires_grad and any(part is None for part in direct):
            along = torch.zeros_like(self.inner_gradient)
            self.products += 1
            through = derivative(self._graph, self._h, "the gradient of the inner loss", along, retain_graph=True)
        for name, here, there in zip(self._hyper_layout.names, direct, through, strict=True):
            if here is None and there is None:
                raise no_such_hyperparameter(name)

    def _joined(self, parts: Sequence[Tensor | None], layout: Layout) -> Tensor:
        """One flat vector, zeros for what is not used."""
        like = self._w[0].detach()
        pairs = zip(parts, layout.shapes, strict=True)
        return layout.joined([like.new_zeros(shape) if part is None else part for part, shape in pairs])


def no_such_hyperparameter(name: str) -> InvalidArgument:
    """The error for a hyperparameter that changes nothing."""
    return InvalidArgument(
        message(
            f"hyperparameter {name!r} enters neither the outer loss nor the gradient of the inner loss",
            do=f"use it or leave it out of the hyperparameters; if it is used, {DETACHED}",
        )
    )


def check_problem(problem: BilevelProblem, step: int = 0) -> None:
    """Try a problem out at its start: a step that is run twice does the same, and all derivatives are there and right.

    Second derivatives are held against differences of gradients, since torch takes a missing one for zero: behind
    `once_differentiable`, or where a backward pass was written without thought of its own derivative. Costs about
    four gradients for each tensor of parameters and of hyperparameters.

    Raises:
        InvalidArgument, InvalidObservation: what is wrong, with the names of the loss and the tensor.
    """
    parameters, hyperparameters = problem.checked_parameters(None), problem.checked_hyperparameters(None)
    here = Linearisation(problem, parameters, hyperparameters, step)
    finite(here.hessian(here.inner_gradient), problem.layout, "the product of the inner Hessian with the gradient")
    finite(here.mixed(here.inner_gradient), problem.hyper_layout, "the mixed derivative of the inner loss")
    _check_repeats(problem, parameters, hyperparameters, step)
    _check_seconds(problem, here, parameters, hyperparameters, step)


def _check_repeats(problem: BilevelProblem, parameters: Tensors, hyperparameters: Tensors, step: int) -> None:
    """Refuse losses that are not functions of their arguments."""
    roles: tuple[Role, Role] = ("inner", "outer")
    for role in roles:
        first, second = (float(problem.loss(role, parameters, hyperparameters, step).detach()) for _ in range(2))
        slack = torch.finfo(problem.parameters[problem.layout.names[0]].dtype).eps ** 0.5
        if abs(first - second) > slack * max(abs(first), abs(second)):
            raise InvalidArgument(
                message(
                    f"the {role} loss gives two values for one step, so its derivatives contradict each other",
                    got=(first, second),
                    do="make its random numbers a function of the batch, and the batch a function of the step",
                )
            )


def _check_seconds(
    problem: BilevelProblem, here: Linearisation, parameters: Tensors, hyperparameters: Tensors, step: int
) -> None:
    """Refuse second derivatives that are not the differences of the first, tensor by tensor."""
    vector, hyper = problem.layout.flat(parameters), problem.hyper_layout.flat(hyperparameters)
    generator = torch.Generator().manual_seed(0)

    def slope(w: Tensor, h: Tensor) -> Tensor:
        point = leaves(problem.layout.named(w))
        loss = problem.loss("inner", point, problem.hyper_layout.named(h), step)
        found = derivative(loss, list(point.values()), "the inner loss")
        pairs = zip(found, point.values(), strict=True)
        return problem.layout.joined([torch.zeros_like(like) if part is None else part for part, like in pairs])

    def differs(told: Tensor, along_w: Tensor, along_h: Tensor, size: float, sign: Tensor) -> bool:
        """Whether v^T (dg_w along the direction) is not what the product told, for v = sign."""
        length = float(torch.finfo(vector.dtype).eps) ** (1 / 3) * (size or 1.0)
        wide, narrow = (
            float(sign @ (slope(vector + to_w, hyper + to_h) - slope(vector - to_w, hyper - to_h))) / (2.0 * t)
            for t in (length, length / 8.0)
            for to_w, to_h in [(t * along_w, t * along_h)]
        )
        # A gradient with kinks or noise gives two different quotients, and then there is nothing to hold against.
        settled = abs(wide - narrow) <= 0.02 * abs(wide)
        noise = 1e3 * torch.finfo(vector.dtype).eps * float(sign.abs() @ here.inner_gradient.abs()) / length
        return settled and bool(abs(float(told) - wide) > 0.1 * abs(wide) + noise)

    def drawn(size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64).to(vector)

    still_w, still_h = torch.zeros_like(vector), torch.zeros_like(hyper)
    direction = drawn(vector.numel())
    image, scale = here.hessian(direction), float(vector.square().mean().sqrt())
    for name in problem.layout.names:
        sign = _only(problem.layout, direction, name)
        if differs(sign @ image, direction, still_h, scale, sign):
            raise _wrong_second(f"parameter {name!r}")
    image = here.mixed(direction)
    for name in problem.hyper_layout.names:
        shift = _only(problem.hyper_layout, drawn(hyper.numel()), name)
        size = float(problem.hyper_layout.named(hyper)[name].square().mean().sqrt())
        if differs(shift @ image, still_w, shift, size, direction):
            raise _wrong_second(f"hyperparameter {name!r}")


def _only(layout: Layout, vector: Tensor, name: str) -> Tensor:
    """A flat vector, zero but for the entries of one name."""
    parts = layout.named(vector).items()
    return layout.joined([part if other == name else torch.zeros_like(part) for other, part in parts])


def _wrong_second(what: str) -> InvalidArgument:
    """The error for second derivatives that are not there."""
    return InvalidArgument(
        message(
            f"the gradient of the inner loss changes with {what} otherwise than its second derivatives say",
            do="look for a torch.autograd.Function marked once_differentiable, or whose backward is not made of "
            "differentiable operations on saved inputs",
        )
    )
