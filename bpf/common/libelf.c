// SPDX-License-Identifier: GPL-2.0
/*
 * Debian 13's libelf.a (elfutils 0.192) calls two functions of a library that
 * is not packaged. They handle a tree that only elf_getdata_rawchunk() fills,
 * which libbpf does not call. If anything called it, the program would not
 * link, because the tree's other functions are missing.
 */
void eu_search_tree_init(void *tree);
void eu_search_tree_fini(void *tree, void (*free_node)(void *));

__attribute__((weak)) void eu_search_tree_init(void *tree)
{
	(void)tree;
}

__attribute__((weak)) void eu_search_tree_fini(void *tree,
					       void (*free_node)(void *))
{
	(void)tree;
	(void)free_node;
}
