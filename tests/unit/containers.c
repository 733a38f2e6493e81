/* Arrays, lists and hash tables of the engine, against models that are too simple to be wrong. */
#include "engine.h"

#include "core/array.h"
#include "core/list.h"
#include "core/ptrmap.h"

#define ROUNDS 200000
#define KEYS 997

static uint64_t seed = 0x2545F4914F6CDD1D;

static size_t draw(size_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed % n);
}

static void a_map_holds_what_was_put_and_not_removed(void **state) {
	(void)state;
	static void *model[KEYS + 1];
	struct reef_ptrmap map;
	reef_ptrmap_init(&map);
	size_t count = 0;
	for (size_t round = 0; round < ROUNDS; round++) {
		/* Neighbours and multiples of the capacity, so that chains wrap around the end. */
		size_t key = 1 + draw(KEYS);
		const void *address = (const void *)(uintptr_t)(key % 2 ? key : key << 20);
		if (draw(2) == 0) {
			void *value = &model[draw(KEYS + 1)];
			assert_true(reef_ptrmap_put(&map, address, value));
			count += model[key] == NULL;
			model[key] = value;
		} else {
			assert_ptr_equal(reef_ptrmap_remove(&map, address), model[key]);
			count -= model[key] != NULL;
			model[key] = NULL;
		}
		assert_int_equal(map.count, count);
		key = 1 + draw(KEYS);
		assert_ptr_equal(reef_ptrmap_get(&map, (const void *)(uintptr_t)(key % 2 ? key : key << 20)), model[key]);
	}
	reef_ptrmap_fini(&map);
}

static bool fails(size_t size) {
	(void)size;
	return true;
}

static void a_map_that_cannot_grow_is_as_it_was(void **state) {
	(void)state;
	struct reef_ptrmap map;
	reef_ptrmap_init(&map);
	uintptr_t key = 0;
	while (map.count * 3 < map.capacity * 2 || map.capacity == 0)
		assert_true(reef_ptrmap_put(&map, (void *)++key, &map));
	reef_alloc_fails = fails;
	assert_false(reef_ptrmap_put(&map, (void *)(key + 1), &map));
	reef_alloc_fails = NULL;
	assert_null(reef_ptrmap_get(&map, (void *)(key + 1)));
	for (; key > 0; key--)
		assert_ptr_equal(reef_ptrmap_get(&map, (void *)key), &map);
	reef_ptrmap_fini(&map);
}

static void an_array_keeps_its_items_while_it_grows(void **state) {
	(void)state;
	struct REEF_ARRAY(size_t) array = {0};
	for (size_t i = 0; i < 10000; i++) {
		size_t *item = reef_array_add(&array);
		assert_int_equal(*item, 0);
		*item = i;
	}
	assert_true(reef_array_reserve(&array, 100000));
	assert_true(array.capacity >= 110000);
	for (size_t i = 0; i < array.count; i++)
		assert_int_equal(array.items[i], i);
	array.count = array.capacity;
	reef_alloc_fails = fails;
	assert_null(reef_array_add(&array));
	reef_alloc_fails = NULL;
	assert_int_equal(array.count, array.capacity);
	assert_false(reef_array_reserve(&array, SIZE_MAX / 8));
	reef_array_fini(&array);
	assert_null(array.items);
	assert_true(reef_array_reserve(&array, 0));
}

struct item {
	size_t value;
	struct reef_link link;
};

static void a_list_is_in_order_whatever_is_taken_out(void **state) {
	(void)state;
	static struct item items[100];
	struct reef_list list;
	reef_list_init(&list);
	size_t next = 1000, linked = 0;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct item *item = &items[draw(100)];
		if (reef_link_is_linked(&item->link)) {
			reef_link_remove(&item->link);
			linked--;
		} else if (draw(50) == 0 && linked > 0) {
			struct item *first = reef_list_entry(reef_list_pop(&list), struct item, link);
			assert_false(reef_link_is_linked(&first->link));
			linked--;
		} else {
			item->value = next++;
			reef_list_push(&list, &item->link);
			linked++;
		}
		size_t count = 0, last = 0;
		for (struct reef_link *l = reef_list_first(&list); l != NULL; l = reef_list_next(&list, l)) {
			assert_true(reef_list_entry(l, struct item, link)->value > last);
			last = reef_list_entry(l, struct item, link)->value;
			count++;
		}
		assert_int_equal(count, linked);
		assert_int_equal(reef_list_is_empty(&list), linked == 0);
	}
	while (reef_list_pop(&list) != NULL)
		linked--;
	assert_int_equal(linked, 0);
	reef_list_push(&list, &items[0].link);
	reef_list_push_front(&list, &items[1].link);
	assert_ptr_equal(reef_list_first(&list), &items[1].link);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_map_holds_what_was_put_and_not_removed),
			cmocka_unit_test(a_map_that_cannot_grow_is_as_it_was),
			cmocka_unit_test(an_array_keeps_its_items_while_it_grows),
			cmocka_unit_test(a_list_is_in_order_whatever_is_taken_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
