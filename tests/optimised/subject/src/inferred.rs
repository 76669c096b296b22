//! Functions about which the optimiser finds out something, with their callers.

macro_rules! functions {
    (#[$attribute:meta]) => {
        use std::cell::Cell;
        use std::hint::black_box;

        /// Returns the same always.
        #[$attribute]
        pub fn constant(x: u32) -> u32 {
            black_box(x);
            0
        }

        /// Returns its argument.
        #[$attribute]
        pub fn same(x: u32) -> u32 {
            black_box(x);
            x + 0
        }

        /// Returns less than eight.
        #[$attribute]
        pub fn small(x: u32) -> u32 {
            black_box(x) & 7
        }

        /// Does not return.
        #[$attribute]
        pub fn fails(x: u32) -> u32 {
            panic!("{x}")
        }

        /// Does nothing at all.
        #[$attribute]
        pub fn nothing(_x: u32) {}

        /// Depends on its argument only.
        #[$attribute]
        pub fn bits(x: u32) -> u32 {
            x.wrapping_mul(0x9e37_79b9).count_ones()
        }

        /// Writes to no memory.
        #[$attribute]
        pub fn reads(x: &Cell<u32>) -> u32 {
            x.get().wrapping_mul(3)
        }

        /// Takes no notice of its argument.
        #[$attribute]
        pub fn ignores(_x: u32) -> u32 {
            black_box(3)
        }

        /// Does not panic.
        #[$attribute]
        pub fn calm(x: u32) -> u32 {
            x.rotate_left(3) ^ 5
        }

        /// Does not change what it is given.
        #[$attribute]
        pub fn large(x: [u64; 8]) -> u64 {
            x[0] ^ x[7]
        }

        /// Does the same as [`twin_two`].
        #[$attribute]
        pub fn twin_one(x: u32) -> u32 {
            black_box(x).wrapping_mul(77) ^ 0x1234
        }

        /// Does the same as [`twin_one`].
        #[$attribute]
        pub fn twin_two(x: u32) -> u32 {
            black_box(x).wrapping_mul(77) ^ 0x1234
        }

        /// Private, and only reads what it is led to.
        #[$attribute]
        fn by_reference(x: &u32) -> u32 {
            black_box(*x)
        }

        /// Private, and called with one argument only.
        #[$attribute]
        fn doubled(x: u32) -> u32 {
            black_box(x) * 2
        }

        /// Private, and nobody is interested in the result.
        #[$attribute]
        fn unused(x: u32) -> u32 {
            black_box(x);
            x * 3
        }

        /// Private, and called with functions that are known.
        #[$attribute]
        fn applied(f: fn(u32) -> u32, x: u32) -> u32 {
            let mut sum = 0_u32;
            for n in 0..x {
                sum = sum.wrapping_add(f(n)).wrapping_add(f(sum));
                sum ^= f(sum ^ n);
            }
            sum
        }

        #[inline(never)]
        pub fn calls_constant(x: u32) -> u32 {
            constant(x) + 1
        }

        #[inline(never)]
        pub fn calls_same(x: u32) -> u32 {
            same(x) + 1
        }

        #[inline(never)]
        pub fn calls_small(x: u32) -> &'static str {
            if small(x) < 8 { "small" } else { "large" }
        }

        #[inline(never)]
        pub fn calls_fails(x: u32) -> u32 {
            fails(x) + 1
        }

        #[inline(never)]
        pub fn calls_nothing(x: u32) -> u32 {
            nothing(x);
            x
        }

        #[inline(never)]
        pub fn calls_bits(x: u32) -> u32 {
            bits(x) * 10 + bits(x)
        }

        #[inline(never)]
        pub fn calls_reads(x: u32) -> u32 {
            let cell = Cell::new(x);
            reads(&cell) + cell.get()
        }

        #[inline(never)]
        pub fn calls_ignores(x: u32) -> u32 {
            ignores(x * 2)
        }

        /// Counts when it is dropped.
        struct Guard<'c>(&'c Cell<u32>);

        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }

        #[inline(never)]
        pub fn calls_calm(x: u32, dropped: &Cell<u32>) -> u32 {
            let guard = Guard(dropped);
            let result = calm(x);
            drop(guard);
            result
        }

        #[inline(never)]
        pub fn calls_large(x: u64) -> u64 {
            let array = black_box([x; 8]);
            large(array) * 1000 + array[0]
        }

        #[inline(never)]
        pub fn calls_twins(x: u32) -> [u32; 2] {
            [twin_one(x), twin_two(x)]
        }

        #[inline(never)]
        pub fn calls_by_reference(x: u32) -> u32 {
            by_reference(&black_box(x)) + by_reference(&black_box(x + 1))
        }

        #[inline(never)]
        pub fn calls_doubled() -> u32 {
            doubled(21)
        }

        #[inline(never)]
        pub fn calls_unused(x: u32) {
            unused(x);
        }

        fn plus(x: u32) -> u32 {
            x.wrapping_add(black_box(1))
        }

        fn times(x: u32) -> u32 {
            x.wrapping_mul(black_box(3))
        }

        #[inline(never)]
        pub fn calls_applied(x: u32) -> [u32; 2] {
            [applied(plus, x), applied(times, x)]
        }
    };
}
