/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/tree.h"

#include <errno.h>
#include <sys/stat.h>

#define BUCKETS 1024u

struct Tree {
        TreeNode *root;
        uint64_t last_ino;
        TreeNode *buckets[BUCKETS];
};

static TreeNode *node_new(Tree *t, const char *name, mode_t mode, const char *text) {
        TreeNode *node = calloc(1, sizeof(*node));
        TreeNode **bucket;

        if (!node)
                return NULL;
        node->name = strdup(name);
        node->text = text ? strdup(text) : NULL;
        if (!node->name || (text && !node->text)) {
                free(node->name);
                free(node->text);
                free(node);
                return NULL;
        }
        node->mode = mode;
        node->n_bytes = text ? (off_t)strlen(text) : 0;
        node->ino = ++t->last_ino;
        bucket = &t->buckets[node->ino % BUCKETS];
        node->next_in_bucket = *bucket;
        *bucket = node;
        return node;
}

/* Already out of its parent's list. */
static void node_free(Tree *t, TreeNode *node) {
        TreeNode **p = &t->buckets[node->ino % BUCKETS];

        while (node->children) {
                TreeNode *child = node->children;

                node->children = child->next;
                node_free(t, child);
        }
        while (*p != node)
                p = &(*p)->next_in_bucket;
        *p = node->next_in_bucket;
        free(node->name);
        free(node->text);
        free(node);
}

Tree *tree_new(void) {
        _cleanup_(tree_freep) Tree *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->root = node_new(t, "", S_IFDIR | 0755, NULL); /* TREE_ROOT_INO */
        return t->root ? TAKE_PTR(t) : NULL;
}

Tree *tree_free(Tree *t) {
        if (t && t->root)
                node_free(t, t->root);
        free(t);
        return NULL;
}

TreeNode *tree_root(Tree *t) {
        return t->root;
}

TreeNode *tree_get(Tree *t, uint64_t ino) {
        for (TreeNode *node = t->buckets[ino % BUCKETS]; node; node = node->next_in_bucket)
                if (node->ino == ino)
                        return node;
        return NULL;
}

TreeNode *tree_find(TreeNode *parent, const char *name) {
        for (TreeNode *node = parent ? parent->children : NULL; node; node = node->next)
                if (strcmp(node->name, name) == 0)
                        return node;
        return NULL;
}

TreeNode *tree_add(Tree *t, TreeNode *parent, const char *name, mode_t mode, const char *text) {
        TreeNode *node = parent ? node_new(t, name, mode, text) : NULL;

        if (!node)
                return NULL;
        node->parent = parent;
        node->next = parent->children;
        parent->children = node;
        node->function = parent->function;
        node->instance = parent->instance;
        return node;
}

/* Walk along @path; folders that are missing are made in @make, where it is not NULL. */
static TreeNode *walk(Tree *t, const char *path, Tree *make) {
        _cleanup_free_ char *copy = strdup(path);
        char *rest = copy, *name;
        TreeNode *node = t->root;

        while (node && (name = strsep(&rest, "/"))) {
                TreeNode *child = tree_find(node, name);

                if (!child && make)
                        child = tree_add(make, node, name, S_IFDIR | 0755, NULL);
                node = child;
        }
        return copy ? node : NULL;
}

TreeNode *tree_make_path(Tree *t, const char *path) {
        return walk(t, path, t);
}

TreeNode *tree_find_path(Tree *t, const char *path) {
        return walk(t, path, NULL);
}

void tree_remove(Tree *t, TreeNode *node) {
        TreeNode **p;

        if (!node)
                return;
        for (p = &node->parent->children; *p != node; p = &(*p)->next)
                ;
        *p = node->next;
        node_free(t, node);
}
