// The MongoDB Go driver doing the work of bench/mongo.lua, with structs as its manual does, or with maps as tables are.
package main

import (
	"log"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type account struct {
	ID      bson.ObjectID `bson:"_id,omitempty"`
	Name    string        `bson:"name"`
	Balance float64       `bson:"balance"`
	Level   int32         `bson:"level"`
	Active  bool          `bson:"active"`
	Note    string        `bson:"note"`
}

var note = strings.Repeat("x", 40)

func newAccount() account {
	return account{Name: "somebody", Balance: 100.5, Level: 7, Active: true, Note: note}
}

func newAccountMap() bson.M {
	return bson.M{"name": "somebody", "balance": 100.5, "level": int32(7), "active": true, "note": note}
}

// T is what a document is to the program.
type overMongo[T any] struct {
	*mongo.Database
	ids   []any
	make  func() T
	level func(T) int32
}

func database(port string) *mongo.Database {
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:" + port))
	must(err)
	return c.Database("bench_go")
}

func newMongo(port string) client {
	return &overMongo[account]{Database: database(port), make: newAccount, level: func(doc account) int32 { return doc.Level }}
}

func newMongoMaps(port string) client {
	return &overMongo[bson.M]{Database: database(port), make: newAccountMap, level: func(doc bson.M) int32 { return doc["level"].(int32) }}
}

// What is found: 500 ids, and 10,000 documents.
func (c *overMongo[T]) prepare() {
	must(c.Drop(background))
	for i := range 500 {
		c.insertOne(i)
	}
	for range 10 {
		c.insertMany("many")
	}
}

func (c *overMongo[T]) insertOne(int) {
	inserted, err := c.Collection("one").InsertOne(background, c.make())
	must(err)
	c.ids = append(c.ids, inserted.InsertedID)
}

func (c *overMongo[T]) insertMany(collection string) {
	docs := make([]T, 1000)
	for i := range docs {
		docs[i] = c.make()
	}
	_, err := c.Collection(collection).InsertMany(background, docs)
	must(err)
}

func (c *overMongo[T]) findOne(i int) {
	var doc T
	must(c.Collection("one").FindOne(background, bson.D{{Key: "_id", Value: c.ids[i%500]}}).Decode(&doc))
	if c.level(doc) != 7 {
		log.Fatal("another document was found")
	}
}

func (c *overMongo[T]) findAll(int) {
	cursor, err := c.Collection("many").Find(background, bson.D{}, options.Find().SetBatchSize(1000))
	must(err)
	found := 0
	for cursor.Next(background) {
		var doc T
		must(cursor.Decode(&doc))
		found++
	}
	must(cursor.Err())
	if found != 10000 {
		log.Fatalf("%d documents were found", found)
	}
}

func (c *overMongo[T]) work(name string) func(i int) {
	switch name {
	case "insert_1":
		return c.insertOne
	case "insert_1000":
		return func(int) { c.insertMany("more") }
	case "find_1":
		return c.findOne
	case "find_10000":
		return c.findAll
	}
	log.Fatalf("there is no work %s", name)
	return nil
}
