/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libdoe from C++: what each mailbox offers, by name where it has one. */
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <libdoe.h>
#include <memory>

struct Freer {
        void operator()(doe_client *c) const {
                doe_client_free(c);
        }
        void operator()(doe_snapshot *s) const {
                doe_snapshot_free(s);
        }
};

static void print(const doe_mailbox *mb) {
        std::uint16_t vendor;
        std::uint8_t type;

        std::cout << doe_mailbox_name(mb) << " " << doe_mailbox_state(mb);
        for (std::size_t i = 0; doe_mailbox_feature(mb, i, &vendor, &type) >= 0; i++) {
                const char *name = doe_values_text(doe_mailbox_feature_values(mb, i), "name");
                char numbers[8];

                std::snprintf(numbers, sizeof(numbers), "%04x:%02x", vendor, type);
                std::cout << " " << (name && *name ? name : numbers);
        }
        std::cout << "\n";
}

int main() {
        doe_client *client;
        doe_snapshot *snapshot;

        if (doe_client_new(&client) < 0) {
                std::cerr << "There is no system bus\n";
                return 1;
        }

        std::unique_ptr<doe_client, Freer> own_client(client);
        if (doe_client_enumerate(client, nullptr, &snapshot) < 0) {
                std::cerr << doe_client_error_text(client) << "\n";
                return 1;
        }

        std::unique_ptr<doe_snapshot, Freer> own_snapshot(snapshot);
        for (auto mb = doe_snapshot_next_mailbox(snapshot, nullptr); mb;
             mb = doe_snapshot_next_mailbox(snapshot, mb))
                print(mb);
        return 0;
}
