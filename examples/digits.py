"""Trains a small network on scikit-learn's handwritten digits, written as one would write it for PyTorch.

python examples/digits.py                      train with rustorch, plot to examples/out/
python examples/digits.py --framework torch    the same script on torch
python examples/digits.py --losses losses.txt  also write the losses of the first 50 steps, to compare the two
"""

import argparse
import importlib
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

OUT = Path(__file__).parent / "out"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--framework", choices=["rustorch", "torch"], default="rustorch")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--losses", type=Path, help="write the losses of the first 50 steps to this file")
    parser.add_argument("--no-plots", action="store_true")
    return parser.parse_args()


def digits(rt):
    """Images of 8 by 8 pixels in [0, 1] and their classes: three quarters to train on, the rest to test."""
    images, classes = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    parts = train_test_split(images, classes.astype(np.int64), test_size=0.25, random_state=0, stratify=classes)
    return [rt.from_numpy(part) for part in parts]


def build(nn):
    return nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train(rt, model, images, classes, options, compiles):
    """Returns for every step its loss, how long it took, and whether anything was compiled during it."""
    loss_of = rt.nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = rt.optim.Adam(model.parameters(), lr=options.lr)
    size = options.batch_size
    batches = len(images) // size
    losses, seconds, compiled = [], [], []
    with tqdm(total=options.epochs * batches, unit="step", desc="training") as bar:
        for _ in range(options.epochs):
            order = rt.randperm(len(images))
            for i in range(batches):
                known = compiles()
                began = time.perf_counter()
                pick = order[i * size : (i + 1) * size]
                optimizer.zero_grad()
                loss = loss_of(model(images[pick]), classes[pick])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                seconds.append(time.perf_counter() - began)
                compiled.append(compiles() != known)
                bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
    return losses, np.array(seconds), np.array(compiled)


def predict(rt, model, images):
    model.eval()
    with rt.no_grad():
        return model(images).argmax(dim=1)


def report_compiler(before, after, seconds, compiled):
    """What the compiler did for the training loop: rustorch alone can tell."""
    plans = after["compiles"] - before["compiles"]
    spent = (seconds[compiled] - np.median(seconds)).sum()
    print(f"compile time:     {spent * 1e3:.0f} ms in {compiled.sum()} of {len(seconds)} steps, for {plans} plans")
    print(f"kernels per step: {(after['launches'] - before['launches']) / len(seconds):.1f}")


def explain_step(rt, images, classes, options):
    """Shows one training step of a fresh model as the compiler sees it."""
    model = build(rt.nn)
    optimizer = rt.optim.Adam(model.parameters(), lr=options.lr)

    def step(x, y):
        optimizer.zero_grad()
        loss = rt.nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss

    batch = images[: options.batch_size], classes[: options.batch_size]
    # The first two steps create the optimiser's state and compile.
    step(*batch)
    step(*batch)
    rt.explain(step)(*batch)


def plot(losses, images, classes, predicted, name):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    OUT.mkdir(exist_ok=True)
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(losses, linewidth=0.8)
    axes.set(xlabel="step", ylabel="cross entropy", yscale="log", title=f"Training on the digits ({name})")
    figure.savefig(OUT / "loss.png", dpi=120)

    wrong = np.flatnonzero(predicted != classes)
    shown = np.concatenate([wrong, np.flatnonzero(predicted == classes)])[:40]
    figure, grid = plt.subplots(4, 10, figsize=(10, 4.6), layout="constrained")
    for axes, i in zip(grid.flat, shown, strict=True):
        axes.imshow(images[i].reshape(8, 8), cmap="gray_r")
        axes.set_title(
            f"{predicted[i]}" if predicted[i] == classes[i] else f"{predicted[i]}, is {classes[i]}",
            fontsize=8,
            color="black" if predicted[i] == classes[i] else "red",
        )
        axes.axis("off")
    figure.suptitle(f"Predictions on the test images: all {len(wrong)} mistakes, and some that are right")
    figure.savefig(OUT / "predictions.png", dpi=120)
    print(f"plots:            {OUT / 'loss.png'}, {OUT / 'predictions.png'}")


def main():
    options = arguments()
    rt = importlib.import_module(options.framework)
    rt.manual_seed(options.seed)
    train_images, test_images, train_classes, test_classes = digits(rt)
    model = build(rt.nn)
    print(model)

    compiler = options.framework == "rustorch"
    stats = rt.stats if compiler else lambda: {"compiles": 0}
    before = dict(stats())
    losses, seconds, compiled = train(rt, model, train_images, train_classes, options, lambda: stats()["compiles"])
    after = dict(stats())
    predicted = predict(rt, model, test_images).numpy()
    accuracy = float((predicted == test_classes.numpy()).mean())

    print(f"test accuracy:    {accuracy:.4f}")
    print(f"steps per second: {len(seconds) / seconds.sum():.0f} ({1 / np.median(seconds):.0f} at the median)")
    if compiler:
        report_compiler(before, after, seconds, compiled)
        explain_step(rt, train_images, train_classes, options)
    if options.losses:
        options.losses.write_text("".join(f"{loss:.9g}\n" for loss in losses[:50]))
    if not options.no_plots:
        plot(losses, test_images.numpy(), test_classes.numpy(), predicted, options.framework)
    if accuracy < 0.97:
        raise SystemExit(f"the test accuracy is below 0.97: {accuracy:.4f}")


if __name__ == "__main__":
    main()
