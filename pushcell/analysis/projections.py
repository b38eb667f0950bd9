"""Embeddings in the plane: by PCA always, by t-SNE and UMAP where their libraries are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pushcell.extras import advice

Floats = NDArray[np.float32]
_MODULES = {"t-SNE": "sklearn", "UMAP": "umap"}
_LEAST_POINTS = 10  # for neighbourhoods


def projections(embeddings: Floats, seed: int) -> tuple[dict[str, Floats], list[str]]:
    """Name -> (B, 2) of embeddings (B, D), and notes about what could not be computed."""
    found, notes = {"PCA": pca(embeddings)}, []
    for name, module in _MODULES.items():
        if importlib.util.find_spec(module) is None:
            notes.append(f"{name} is not drawn, because {module} is missing: {advice(module)}")
        elif len(embeddings) < _LEAST_POINTS:
            notes.append(f"{name} is not drawn: {len(embeddings)} embeddings are too few")
        else:
            found[name] = _neighbour_map(name, embeddings, seed)
    return found, notes


def pca(embeddings: Floats) -> Floats:
    """(B, 2) the coordinates along the two directions in which embeddings (B, D) vary most."""
    centred = embeddings - embeddings.mean(0)
    vectors, values, _ = np.linalg.svd(centred, full_matrices=False)
    plane = vectors[:, :2] * values[:2]
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def draw_projections(maps: Mapping[str, Floats], names: NDArray[np.str_]) -> Figure:
    """A panel each; the points coloured by the data set (B,) that they are of."""
    figure = Figure(figsize=(4.6 * len(maps), 4.4), layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    order = np.random.default_rng(0).permutation(len(names))  # so that no set hides another
    colours = {name: f"C{k}" for k, name in enumerate(dict.fromkeys(names.tolist()))}
    for axes, (title, points) in zip(panels, maps.items(), strict=True):
        axes.scatter(*points[order].T, s=5, alpha=0.6, c=[colours[name] for name in names[order]])
        axes.set(title=title, xticks=[], yticks=[])
    for name, colour in colours.items():
        panels[0].scatter([], [], color=colour, label=name)
    panels[0].legend(fontsize="small")
    return figure


def _neighbour_map(name: str, embeddings: Floats, seed: int) -> Floats:
    if name == "t-SNE":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(embeddings) - 1) / 3)
        return TSNE(perplexity=perplexity, random_state=seed).fit_transform(embeddings)
    from umap import UMAP

    neighbours = min(15, len(embeddings) - 1)
    return UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(embeddings)
