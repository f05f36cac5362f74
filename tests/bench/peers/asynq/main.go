// Asynq: asynq WHAT N, as peers/driver.py has it; `work 0` is the worker.
package main

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/hibiken/asynq"
)

const (
	queue       = "default"
	atOnce      = 16 // goroutines of bulk, for there is no call for many jobs
	concurrency = 32
	warmUp      = 20
)

var argument = []byte(strings.Repeat("x", 100))

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func redis() asynq.RedisClientOpt {
	server, err := url.Parse(os.Getenv("BENCH_URL"))
	must(err)
	return asynq.RedisClientOpt{Addr: server.Host}
}

func cpu() float64 {
	var used syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// counter is eight bytes of shared memory that the benchmark reads.
func counter() *uint64 {
	file, err := os.Create(filepath.Join(os.Getenv("BENCH_TICKS"), strconv.Itoa(os.Getpid())))
	must(err)
	must(file.Truncate(8))
	data, err := syscall.Mmap(int(file.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	must(err)
	return (*uint64)(unsafe.Pointer(&data[0]))
}

func work() {
	jobs := counter()
	server := asynq.NewServer(redis(), asynq.Config{
		Concurrency: concurrency, LogLevel: asynq.ErrorLevel, TaskCheckInterval: time.Millisecond,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc("noop", func(_ context.Context, task *asynq.Task) error {
		_, err := task.ResultWriter().Write([]byte("done"))
		atomic.AddUint64(jobs, 1)
		return err
	})
	must(server.Run(mux))
}

func enqueue(client *asynq.Client) string {
	info, err := client.Enqueue(asynq.NewTask("noop", argument), asynq.Retention(time.Hour))
	must(err)
	return info.ID
}

func bulk(client *asynq.Client, n int) {
	var all sync.WaitGroup
	for i := range atOnce {
		all.Add(1)
		go func() {
			defer all.Done()
			for range n*(i+1)/atOnce - n*i/atOnce {
				enqueue(client)
			}
		}()
	}
	all.Wait()
}

// await asks until the result is there: Asynq has no call that waits for one.
func await(inspector *asynq.Inspector, id string) {
	for {
		info, err := inspector.GetTaskInfo(queue, id)
		must(err)
		if info.State == asynq.TaskStateCompleted {
			if string(info.Result) != "done" {
				log.Fatalf("the result is %q", info.Result)
			}
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func roundTrips(client *asynq.Client, n int) string {
	inspector := asynq.NewInspector(redis())
	var took []float64
	for i := -warmUp; i < n; i++ {
		start := time.Now()
		await(inspector, enqueue(client))
		if i >= 0 {
			took = append(took, time.Since(start).Seconds()*1e3)
		}
	}
	sort.Float64s(took)
	return fmt.Sprintf(" %.4f %.4f", took[n/2], took[n*99/100])
}

func main() {
	if os.Args[1] == "work" {
		work()
		return
	}
	n, err := strconv.Atoi(os.Args[2])
	must(err)
	client := asynq.NewClient(redis())
	if os.Args[1] == "single" {
		enqueue(client)
	}
	start, used, more := time.Now(), cpu(), ""
	switch os.Args[1] {
	case "bulk":
		bulk(client, n)
	case "single":
		for range n {
			enqueue(client)
		}
	case "roundtrip":
		more = roundTrips(client, n)
	default:
		log.Fatalf("there is no %s", os.Args[1])
	}
	fmt.Printf("%.6f %.6f%s\n", time.Since(start).Seconds(), cpu()-used, more)
}
