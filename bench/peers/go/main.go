// The Go clients that bench/peers/run compares with: `peers CLIENT PORT WORK:WIDTH:N...`. Each work is done N times, by
// WIDTH goroutines at once, and its CPU time, user and system of this process, is printed as bench/lib/bench.lua does.
package main

import (
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A client does one operation: what it is called, and the how-manieth it is.
type client interface {
	prepare()
	work(name string) func(i int)
}

var clients = map[string]func(port string) client{
	"rueidis":       newRueidis,
	"goredis":       newGoRedis,
	"goredis_auto":  newGoRedisAuto,
	"mongo_go":      newMongo,
	"mongo_go_maps": newMongoMaps,
}

// Where each client comes from, for its version.
var modules = map[string]string{
	"rueidis":       "github.com/redis/rueidis",
	"goredis":       "github.com/redis/go-redis/v9",
	"goredis_auto":  "github.com/redis/go-redis/v9",
	"mongo_go":      "go.mongodb.org/mongo-driver/v2",
	"mongo_go_maps": "go.mongodb.org/mongo-driver/v2",
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func cpu() time.Duration {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func together(width, each int, operation func(i int)) {
	if width == 1 {
		for i := range each {
			operation(i)
		}
		return
	}
	var all sync.WaitGroup
	for range width {
		all.Go(func() {
			for i := range each {
				operation(i)
			}
		})
	}
	all.Wait()
}

func measure(name, label string, width, n int, operation func(i int)) {
	each := max(1, n/width)
	together(width, max(1, each/10), operation)
	start, used := time.Now(), cpu()
	together(width, each, operation)
	used, wall := cpu()-used, time.Since(start)
	count := float64(width * each)
	fmt.Printf("RESULT %s_%s cpu=%.9g wall=%.9g\n", name, label, used.Seconds()/count*1e6, wall.Seconds()/count*1e6)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 || clients[os.Args[1]] == nil {
		log.Fatal("usage: peers CLIENT PORT WORK:WIDTH:N...")
	}
	name := os.Args[1]
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == modules[name] {
				fmt.Printf("VERSION %s %s, %s\n", name, strings.TrimPrefix(module.Version, "v"), info.GoVersion)
			}
		}
	}
	c := clients[name](os.Args[2])
	c.prepare()
	for _, argument := range os.Args[3:] {
		words := strings.Split(argument, ":")
		if len(words) != 3 {
			log.Fatalf("what is %s?", argument)
		}
		width, err := strconv.Atoi(words[1])
		must(err)
		n, err := strconv.Atoi(words[2])
		must(err)
		measure(name, words[0], width, n, c.work(words[0]))
	}
}
