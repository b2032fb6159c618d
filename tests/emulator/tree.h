/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A tree of nodes in memory, as a file server shows it. It knows names, modes and numbers; what a file holds
 * is its owner's. Inode numbers are never used twice. Not thread-safe. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/util/cleanup.h"

#define TREE_ROOT_INO 1u

typedef struct TreeNode TreeNode;
struct TreeNode {
        uint64_t ino;
        mode_t mode;
        TreeNode *parent, *children, *next; /* siblings */
        char *name;
        char *text;       /* target of a link, content of a constant file; NULL */
        const void *kind; /* what else it is, for the owner */
        size_t function;  /* for the owner */
        uint64_t instance;
        off_t n_bytes; /* as stat() tells */

        TreeNode *next_in_bucket;
};

typedef struct Tree Tree;

/* Return: NULL on no memory. */
Tree *tree_new(void);
Tree *tree_free(Tree *tree);
DEFINE_CLEANUP(Tree *, tree_free);

TreeNode *tree_root(Tree *tree);
/* NULL if it is gone. */
TreeNode *tree_get(Tree *tree, uint64_t ino);
TreeNode *tree_find(TreeNode *parent, const char *name);

/**
 * tree_add() - a new node below @parent
 * @mode: with its S_IFMT bits
 * @text: copied; may be NULL
 *
 * Return: borrowed from the tree; NULL on no memory, or if @parent is NULL.
 */
TreeNode *tree_add(Tree *tree, TreeNode *parent, const char *name, mode_t mode, const char *text);
/* The folder "a/b/c" below the root, made where it is not there. NULL on no memory. */
TreeNode *tree_make_path(Tree *tree, const char *path);
/* The node at "a/b/c"; links are not followed. NULL. */
TreeNode *tree_find_path(Tree *tree, const char *path);
/* With all that is below it; NULL is fine. */
void tree_remove(Tree *tree, TreeNode *node);
