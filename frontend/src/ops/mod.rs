//! The operations of PyTorch, by theme; each file ends in the table of its entries.

mod activation;
mod affine;
mod arithmetic;
mod attention;
mod axes;
mod batch_norm;
mod cast;
mod comparison;
pub mod concat;
mod conv;
mod covariance;
mod creation;
mod cross_entropy;
mod cumulative;
mod differences;
mod distance;
mod divergence;
mod drawn;
mod dropout;
mod einsum;
mod extrema;
mod extremes;
mod fft;
mod grid_sample;
mod group_norm;
pub mod indexing;
mod layer_norm;
mod layout;
mod linalg;
mod local_response;
mod loss;
mod matmul;
mod norm;
mod normal;
mod operands;
mod pointwise;
mod pool;
mod power;
mod products;
mod quantile;
mod random_ops;
mod recurrent;
mod reduce;
mod resize;
pub mod scatter;
mod search;
pub mod shape_ops;
mod shrinkage;
mod shuffle;
mod sliding;
mod softmax;
mod sort;
mod spread;
mod ternary;
mod unfold;
mod unique;
pub mod view_ops;

use crate::registry::Entry;

const TABLES: &[&[Entry]] = &[
    activation::ENTRIES,
    affine::ENTRIES,
    arithmetic::ENTRIES,
    attention::ENTRIES,
    batch_norm::ENTRIES,
    cast::ENTRIES,
    comparison::ENTRIES,
    concat::ENTRIES,
    covariance::ENTRIES,
    conv::ENTRIES,
    creation::ENTRIES,
    cross_entropy::ENTRIES,
    cumulative::ENTRIES,
    differences::ENTRIES,
    distance::ENTRIES,
    divergence::ENTRIES,
    dropout::ENTRIES,
    einsum::ENTRIES,
    extrema::ENTRIES,
    extremes::ENTRIES,
    grid_sample::ENTRIES,
    fft::ENTRIES,
    group_norm::ENTRIES,
    indexing::ENTRIES,
    layer_norm::ENTRIES,
    local_response::ENTRIES,
    loss::ENTRIES,
    matmul::ENTRIES,
    norm::ENTRIES,
    pointwise::ENTRIES,
    pool::ENTRIES,
    power::ENTRIES,
    products::ENTRIES,
    quantile::ENTRIES,
    random_ops::ENTRIES,
    recurrent::ENTRIES,
    reduce::ENTRIES,
    resize::ENTRIES,
    scatter::ENTRIES,
    search::ENTRIES,
    shape_ops::ENTRIES,
    shrinkage::ENTRIES,
    shuffle::ENTRIES,
    softmax::ENTRIES,
    sort::ENTRIES,
    spread::ENTRIES,
    ternary::ENTRIES,
    unique::ENTRIES,
    unfold::ENTRIES,
    view_ops::ENTRIES,
];

/// All entries. Overloads of one name are tried in this order.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().chain(&linalg::TABLES).copied().flatten()
}
