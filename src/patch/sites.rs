//! All sites, found by the address of their function.
//!
//! A transaction over many functions walks over their sites several times. They
//! stand side by side, in the order in which they were made, and a small table
//! of their places is asked for an address; the sites themselves in a hash table
//! would be a cache miss for each look at each of them.

use super::site::Site;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The sites of the process.
#[derive(Default)]
pub(super) struct Sites {
    places: HashMap<usize, usize, BuildHasherDefault<Fibonacci>>,
    sites: Vec<Option<Site>>,
    free: Vec<usize>,
}

impl Sites {
    pub(super) fn get(&self, target: &usize) -> Option<&Site> {
        self.sites[*self.places.get(target)?].as_ref()
    }

    pub(super) fn get_mut(&mut self, target: &usize) -> Option<&mut Site> {
        self.sites[*self.places.get(target)?].as_mut()
    }

    pub(super) fn contains(&self, target: &usize) -> bool {
        self.places.contains_key(target)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().flatten()
    }

    /// Adds the site of a function that has none.
    pub(super) fn insert(&mut self, target: usize, site: Site) {
        debug_assert!(!self.contains(&target));
        let place = self.free.pop().unwrap_or(self.sites.len());
        if place == self.sites.len() {
            self.sites.push(None);
        }
        self.sites[place] = Some(site);
        self.places.insert(target, place);
    }

    pub(super) fn remove(&mut self, target: &usize) -> Option<Site> {
        let place = self.places.remove(target)?;
        self.free.push(place);
        let site = self.sites[place].take();
        if self.places.is_empty() {
            *self = Self::default();
        }
        site
    }
}

/// Fibonacci hashing, for addresses of code: nobody chooses them to collide.
#[derive(Default)]
pub(super) struct Fibonacci(u64);

impl Hasher for Fibonacci {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        // The table looks at both ends of the word.
        let product = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}
