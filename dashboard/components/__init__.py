"""Parts of pages: view models of tiles and cards, the page frame, the vocabulary of states."""
