"""What others ask of a network, asked of ours: the same network, rule of drawing batches, steps and budget, another cost.

Each is a class for `train.train`. Costs that libraries have are theirs; what the paper's own cost already is (DrLIM) and what
there is no library for (WARP) are in `loss`.

Source
------
The methods that the paper sets itself against, and what has come since; each class says where its cost is from.
"""

import numpy as np
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import SupConLoss, TripletMarginLoss
from torch import nn
from torch.nn import functional as nnf

from . import loss as losses
from .model import INITIAL_SD
from .sampler import PlainSampler
from .train import Ours


class NcaNonlinear(Ours):
    """The loss of our recipe without the rest of it: plain batches, the paper's network.

    Source
    ------
    Salakhutdinov and Hinton 2007.
    """

    network, batches = "paper", PlainSampler


class Labeled(Ours):
    """A cost that looks at classes: each neighborhood is one."""

    def __init__(self, model, dataset, neighborhoods, cfg):
        super().__init__(model, dataset, neighborhoods, cfg)
        self.classes = np.full(len(dataset), -1)
        for k in range(len(neighborhoods)):
            self.classes[neighborhoods.positive(k)] = k

    def loss(self, z, sounds):
        return self.class_loss(z, torch.from_numpy(self.classes[sounds]).to(z.device))


class DrLIM(Labeled):
    """Pairs: positives attract, negatives repel inside a margin. It is the paper's cost on all pairs of a batch.

    Source
    ------
    Hadsell, Chopra and LeCun 2006. The pair loss of pytorch-metric-learning is not squared, so this is ours.
    """

    def class_loss(self, z, classes):
        return losses.all_pairs_loss(z, classes[:, None] == classes[None], margin_neg=self.cfg.margin_neg)


class Triplet(Labeled):
    """Each positive nearer than each negative by a margin; mean over the triplets of a batch that are not.

    Source
    ------
    Schroff, Kalenichenko and Philbin 2015; without their unit sphere, which would take one of three dimensions.
    """

    def class_loss(self, z, classes):
        return TripletMarginLoss(self.cfg.margin_neg, distance=LpDistance(normalize_embeddings=False))(z, classes)


class SupCon(Labeled):
    """Supervised contrast: InfoNCE with all positives of a batch. Points lie on the unit sphere, as the cost wants them.

    Source
    ------
    Khosla et al. 2020, temperature 0.1 as there.
    """

    def __init__(self, model, dataset, neighborhoods, cfg):
        super().__init__(model, dataset, neighborhoods, cfg)
        model.dense2.register_forward_hook(lambda layer, x, z: nnf.normalize(z))

    def class_loss(self, z, classes):
        return SupConLoss(temperature=0.1)(z, classes)


class Softmax(Labeled):
    """A classifier whose last hidden layer is the space: a linear layer from it to the classes, cross entropy.

    Source
    ------
    The usual way to learn features without a cost for distances.
    """

    bias = True

    def __init__(self, model, dataset, neighborhoods, cfg):
        head = nn.Linear(model.n_dims, len(neighborhoods), self.bias)
        for parameter in head.parameters():
            nn.init.normal_(parameter, 0.0, INITIAL_SD * (parameter.ndim > 1), torch.Generator().manual_seed(cfg.seed))
        model.head = head.to(model.device)
        super().__init__(model, dataset, neighborhoods, cfg)

    def class_loss(self, z, classes):
        return nnf.cross_entropy(self.model.head(z), classes)


class Wsabie(Softmax):
    """Sounds and classes in one space, where the product of the two ranks the classes. Classes are kept inside the unit ball.

    Source
    ------
    Weston, Bengio and Usunier 2011.
    """

    bias = False

    def class_loss(self, z, classes):
        weight = self.model.head.weight
        return losses.warp_loss(z @ (weight / weight.norm(dim=1, keepdim=True).clamp(min=1)).T, classes)
