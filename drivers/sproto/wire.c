/* Reading the shape of messages: see wire.h. */
#include "wire.h"

bool reef_sproto_fields_init(struct reef_sproto_fields *fields, const char *bytes, size_t n) {
	if (n < 2)
		return false;
	size_t words = reef_sproto_read16(bytes);
	if (words * 2 > n - 2)
		return false;
	*fields = (struct reef_sproto_fields){
			.word = bytes + 2,
			.words_end = bytes + 2 + words * 2,
			.data = bytes + 2 + words * 2,
			.end = bytes + n,
	};
	return true;
}

int reef_sproto_fields_next(struct reef_sproto_fields *fields, struct reef_sproto_value *value) {
	while (fields->word < fields->words_end) {
		uint32_t word = reef_sproto_read16(fields->word);
		fields->word += 2;
		if (word % 2 != 0) {
			fields->next += (word + 1) / 2;
			continue;
		}
		value->tag = fields->next++;
		value->inlined = word != 0;
		if (value->inlined) {
			value->number = word / 2 - 1;
			return 1;
		}
		return reef_sproto_next_element(&fields->data, fields->end, &value->bytes, &value->size) == 1 ? 1 : -1;
	}
	return 0;
}

bool reef_sproto_value_integer(const struct reef_sproto_value *value, int64_t *number) {
	if (value->inlined)
		*number = value->number;
	else if (value->size == 4)
		*number = (int32_t)reef_sproto_read32(value->bytes);
	else if (value->size == 8)
		*number = (int64_t)reef_sproto_read64(value->bytes);
	else
		return false;
	return true;
}

int reef_sproto_next_element(const char **at, const char *end, const char **bytes, uint32_t *size) {
	if (*at == end)
		return 0;
	if (end - *at < 4)
		return -1;
	*size = reef_sproto_read32(*at);
	*bytes = *at + 4;
	if (*size > (size_t)(end - *bytes))
		return -1;
	*at = *bytes + *size;
	return 1;
}
