mod explain;
mod follow;
mod properties;
mod scale;
mod sessions;
mod world;
