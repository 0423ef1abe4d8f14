"""What the trainings tune: for each, its space and the scikit-learn model that a configuration makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trimtab.base.lazy import need
from trimtab.space import Bool, Categorical, Choice, Float, Int, Space

__all__ = ["MODELS"]

Settings = Mapping[str, Any]

SEED = 0
"""Of the trainings that draw random numbers, so that a configuration has one value."""


def _sklearn(module: str) -> Any:
    """A module of scikit-learn."""
    return need(f"sklearn.{module}", "bench", "the trainings")


def _branch(params: Settings, choice: str) -> tuple[str, dict[str, Any]]:
    """The branch that a `Choice` has taken, and the parameters in it by their own names."""
    taken = params[choice]
    prefix = f"{choice}.{taken}."
    return taken, {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}


def _scaled(model: Any) -> Any:
    """A model behind a standardisation of the features."""
    return _sklearn("pipeline").make_pipeline(_sklearn("preprocessing").StandardScaler(), model)


def _svm_space() -> Space:
    return Space(C=Float(1e-3, 1e4, log=True), gamma=Float(1e-7, 1e-1, log=True))


def _svm(params: Settings) -> Any:
    return _sklearn("svm").SVC(C=params["C"], gamma=params["gamma"])


def _svm_kernel_space() -> Space:
    return Space(
        C=Float(1e-3, 1e3, log=True),
        balanced=Bool(),
        kernel=Choice(
            {
                "linear": None,
                "rbf": Space(gamma=Float(1e-5, 1e1, log=True)),
                "poly": Space(degree=Int(2, 5), gamma=Float(1e-4, 1e0, log=True), coef0=Float(0.0, 2.0)),
                "sigmoid": Space(gamma=Float(1e-5, 1e0, log=True), coef0=Float(-1.0, 1.0)),
            }
        ),
    )


def _svm_kernel(params: Settings) -> Any:
    kernel, more = _branch(params, "kernel")
    weight = "balanced" if params["balanced"] else None
    return _scaled(_sklearn("svm").SVC(C=params["C"], kernel=kernel, class_weight=weight, max_iter=20_000, **more))


def _logistic_space() -> Space:
    return Space(
        C=Float(1e-4, 1e3, log=True),
        penalty=Categorical(["l1", "l2"]),
        scale=Categorical(["standard", "minmax", "none"]),
        intercept_scaling=Float(0.1, 100.0, log=True),
        balanced=Bool(),
    )


def _logistic(params: Settings) -> Any:
    preprocessing = _sklearn("preprocessing")
    scalers = {
        "standard": preprocessing.StandardScaler(),
        "minmax": preprocessing.MinMaxScaler(),
        "none": "passthrough",
    }
    model = _sklearn("linear_model").LogisticRegression(
        C=params["C"],
        l1_ratio=1.0 if params["penalty"] == "l1" else 0.0,
        solver="liblinear",
        intercept_scaling=params["intercept_scaling"],
        class_weight="balanced" if params["balanced"] else None,
        max_iter=30,
        random_state=SEED,
    )
    return _sklearn("pipeline").make_pipeline(scalers[params["scale"]], model)


def _knn_space() -> Space:
    return Space(
        n_neighbors=Int(1, 100, log=True),
        weights=Categorical(["uniform", "distance"]),
        metric=Categorical(["euclidean", "manhattan", "chebyshev", "cosine"]),
        components=Int(2, 40),
        whiten=Bool(),
    )


def _knn(params: Settings) -> Any:
    reduced = _sklearn("decomposition").PCA(params["components"], whiten=params["whiten"], svd_solver="covariance_eigh")
    model = _sklearn("neighbors").KNeighborsClassifier(
        params["n_neighbors"], weights=params["weights"], metric=params["metric"], algorithm="brute"
    )
    return _sklearn("pipeline").make_pipeline(reduced, model)


def _elastic_net_space() -> Space:
    return Space(
        alpha=Float(1e-3, 1e2, log=True),
        l1_ratio=Float(0.0, 1.0),
        positive=Bool(),
        selection=Categorical(["cyclic", "random"]),
        max_iter=Int(3, 100, log=True),
    )


def _elastic_net(params: Settings) -> Any:
    return _sklearn("linear_model").ElasticNet(**params, random_state=SEED)


def _kernel_ridge_space() -> Space:
    return Space(
        alpha=Float(1e-5, 1e2, log=True),
        kernel=Choice(
            {
                "rbf": Space(gamma=Float(1e-4, 1e1, log=True)),
                "laplacian": Space(gamma=Float(1e-4, 1e1, log=True)),
                "poly": Space(degree=Int(2, 4), gamma=Float(1e-4, 1e0, log=True), coef0=Float(0.0, 3.0)),
            }
        ),
    )


def _kernel_ridge(params: Settings) -> Any:
    kernel, more = _branch(params, "kernel")
    model = _sklearn("kernel_ridge").KernelRidge(alpha=params["alpha"], kernel=kernel, **more)
    return _sklearn("compose").TransformedTargetRegressor(
        _scaled(model), transformer=_sklearn("preprocessing").StandardScaler()
    )


def _boosting_space() -> Space:
    return Space(
        learning_rate=Float(0.01, 1.0, log=True),
        n_estimators=Int(5, 30, log=True),
        max_depth=Int(1, 6),
        subsample=Float(0.3, 1.0),
        max_features=Float(0.1, 1.0),
        min_samples_leaf=Int(1, 40, log=True),
        loss=Categorical(["squared_error", "huber"]),
    )


def _boosting(params: Settings) -> Any:
    return _sklearn("ensemble").GradientBoostingRegressor(**params, random_state=SEED)


def _forest_space() -> Space:
    return Space(
        n_estimators=Int(2, 20, log=True),
        max_depth=Int(1, 12),
        max_features=Float(0.05, 1.0),
        min_samples_leaf=Int(1, 30, log=True),
        criterion=Categorical(["gini", "entropy", "log_loss"]),
        ccp_alpha=Float(1e-5, 0.1, log=True),
    )


def _forest(params: Settings) -> Any:
    return _sklearn("ensemble").ExtraTreesClassifier(**params, random_state=SEED)


def _mlp_space() -> Space:
    return Space(
        learning_rate_init=Float(1e-4, 1.0, log=True),
        alpha=Float(1e-6, 10.0, log=True),
        hidden=Int(4, 64, log=True),
        batch_size=Int(8, 64, powers_of=2),
        max_iter=Int(3, 15),
        activation=Categorical(["relu", "tanh", "logistic"]),
        solver=Choice(
            {
                "adam": Space(beta_1=Float(0.5, 0.99), beta_2=Float(0.9, 0.9999)),
                "sgd": Space(momentum=Float(0.0, 0.99), nesterovs_momentum=Bool()),
            }
        ),
    )


def _mlp(params: Settings) -> Any:
    solver, more = _branch(params, "solver")
    plain = {name: params[name] for name in ("learning_rate_init", "alpha", "batch_size", "max_iter", "activation")}
    hidden = (params["hidden"],)
    network = _sklearn("neural_network").MLPClassifier(
        hidden_layer_sizes=hidden, solver=solver, random_state=SEED, **plain, **more
    )
    return _scaled(network)


def _pipeline_space() -> Space:
    return Space(
        scale=Categorical(["none", "standard", "minmax", "robust"]),
        reduce=Choice({"none": None, "pca": Space(components=Int(1, 13)), "select": Space(k=Int(1, 13))}),
        model=Choice(
            {
                "logistic": Space(C=Float(1e-4, 1e3, log=True)),
                "knn": Space(n_neighbors=Int(1, 60, log=True), weights=Categorical(["uniform", "distance"])),
                "tree": Space(max_depth=Int(1, 12), min_samples_leaf=Int(1, 40, log=True)),
                "discriminant": Space(shrinkage=Float(0.0, 1.0)),
                "bayes": Space(var_smoothing=Float(1e-10, 1.0, log=True)),
            }
        ),
    )


def _pipeline(params: Settings) -> Any:
    preprocessing = _sklearn("preprocessing")
    scalers = {
        "none": lambda: "passthrough",
        "standard": preprocessing.StandardScaler,
        "minmax": preprocessing.MinMaxScaler,
        "robust": preprocessing.RobustScaler,
    }
    reduction, how = _branch(params, "reduce")
    reducers: dict[str, Callable[[], Any]] = {
        "none": lambda: "passthrough",
        "pca": lambda: _sklearn("decomposition").PCA(how["components"]),
        "select": lambda: _sklearn("feature_selection").SelectKBest(k=how["k"]),
    }
    return _sklearn("pipeline").make_pipeline(
        scalers[params["scale"]](), reducers[reduction](), _classifier(*_branch(params, "model"))
    )


def _classifier(model: str, settings: Settings) -> Any:
    """The last step of the pipeline."""
    if model == "logistic":
        return _sklearn("linear_model").LogisticRegression(**settings, solver="lbfgs", max_iter=30)
    if model == "knn":
        return _sklearn("neighbors").KNeighborsClassifier(**settings)
    if model == "tree":
        return _sklearn("tree").DecisionTreeClassifier(**settings, random_state=SEED)
    if model == "discriminant":
        return _sklearn("discriminant_analysis").LinearDiscriminantAnalysis(solver="lsqr", **settings)
    return _sklearn("naive_bayes").GaussianNB(**settings)


MODELS: dict[str, tuple[Callable[[], Space], Callable[[Settings], Any]]] = {
    "svm": (_svm_space, _svm),
    "svm_kernel": (_svm_kernel_space, _svm_kernel),
    "logistic": (_logistic_space, _logistic),
    "knn": (_knn_space, _knn),
    "elastic_net": (_elastic_net_space, _elastic_net),
    "kernel_ridge": (_kernel_ridge_space, _kernel_ridge),
    "boosting": (_boosting_space, _boosting),
    "forest": (_forest_space, _forest),
    "mlp": (_mlp_space, _mlp),
    "pipeline": (_pipeline_space, _pipeline),
}
"""Name -> the space, and the model of a configuration of it."""
