// rueidis and go-redis as their manuals say: the former pipelines by itself what goroutines ask at the same time; the
// latter takes connections from its pool, or with AutoPipeline does as the former.
package main

import (
	"context"
	"fmt"
	"log"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

var (
	background = context.Background()
	keys       = makeKeys()
	value      = strings.Repeat("x", 64)
)

func makeKeys() (keys [100]string) {
	for i := range keys {
		keys[i] = "k:" + strconv.Itoa(i+1)
	}
	return
}

func expect(got string) {
	if got != value {
		log.Fatalf("a reply is %q", got)
	}
}

type overRueidis struct{ rueidis.Client }

func newRueidis(port string) client {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + port}})
	must(err)
	return overRueidis{c}
}

func (c overRueidis) prepare() {
	for i := range keys {
		c.set(i)
	}
}

func (c overRueidis) get(i int) {
	got, err := c.Do(background, c.B().Get().Key(keys[i%100]).Build()).ToString()
	must(err)
	expect(got)
}

func (c overRueidis) set(i int) {
	must(c.Do(background, c.B().Set().Key(keys[i%100]).Value(value).Build()).Error())
}

func (c overRueidis) pipeline(int) {
	commands := make(rueidis.Commands, 0, 100)
	for _, key := range keys {
		commands = append(commands, c.B().Get().Key(key).Build())
	}
	for _, reply := range c.DoMulti(background, commands...) {
		got, err := reply.ToString()
		must(err)
		expect(got)
	}
}

func (c overRueidis) work(name string) func(i int) {
	return pick(name, c.get, c.set, c.pipeline)
}

type overGoRedis struct {
	*redis.Client
	auto redis.Cmdable
}

func newGoRedis(port string) client {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	return overGoRedis{c, c}
}

func newGoRedisAuto(port string) client {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	auto, err := c.AutoPipeline()
	must(err)
	return overGoRedis{c, auto}
}

func (c overGoRedis) prepare() {
	for i := range keys {
		c.set(i)
	}
}

func (c overGoRedis) get(i int) {
	got, err := c.auto.Get(background, keys[i%100]).Result()
	must(err)
	expect(got)
}

func (c overGoRedis) set(i int) {
	must(c.auto.Set(background, keys[i%100], value, 0).Err())
}

func (c overGoRedis) pipeline(int) {
	replies, err := c.Pipelined(background, func(pipe redis.Pipeliner) error {
		for _, key := range keys {
			pipe.Get(background, key)
		}
		return nil
	})
	must(err)
	for _, reply := range replies {
		expect(reply.(*redis.StringCmd).Val())
	}
}

func (c overGoRedis) work(name string) func(i int) {
	return pick(name, c.get, c.set, c.pipeline)
}

func pick(name string, get, set, pipeline func(int)) func(int) {
	switch name {
	case "get_1", "get_128":
		return get
	case "set_128":
		return set
	case "pipeline_100":
		return pipeline
	}
	log.Fatal(fmt.Sprintf("there is no work %s", name))
	return nil
}
