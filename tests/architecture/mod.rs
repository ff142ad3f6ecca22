//! Holds the shape of the code: what each layer imports, what each place may touch, how large things are.

mod circles;
mod docs;
mod errors;
mod layers;
mod licences;
mod paths;
mod places;
mod shape;
mod source;
