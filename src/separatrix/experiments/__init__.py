"""One trial, the store, the engines that run many, and what is measured with them."""
