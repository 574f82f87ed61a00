// Load on a tus server at as little cost as possible: raw requests on sockets, bodies by sendfile.
//
// Each command prints one JSON object. Times are in seconds, rates in MiB/s or per second.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"
)

var (
	address  = flag.String("address", "127.0.0.1:8080", "host and port of the server")
	path     = flag.String("path", "/files/", "path that uploads are created at")
	body     = flag.String("body", "", "file that bodies are taken from")
	size     = flag.Int64("size", 1<<30, "bytes of one upload")
	piece    = flag.Int64("piece", 1<<40, "most bytes of one PATCH")
	parallel = flag.Int("parallel", 1, "uploads, downloads or connections at once")
	count    = flag.Int("count", 1000, "requests or uploads of all connections together")
	digest   = flag.String("digest", "", "algorithm of Upload-Checksum")
	rate     = flag.Int("rate", 1024, "bytes per second of a slow upload")
	lasting  = flag.Duration("lasting", 5*time.Second, "how long HEAD is measured")
	slow     = flag.Int("slow", 0, "slow uploads beside HEAD")
	large    = flag.Int("large", 0, "large uploads beside HEAD")
	reset    = flag.Bool("reset", false, "cut by RST and not by FIN")
	bare     = flag.Bool("bare", false, "the server speaks no tus: uploads go by PUT, and GET downloads")
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("give a command: upload, download, small, created, head, beside, cut"))
	}
	command := os.Args[1]
	fail(flag.CommandLine.Parse(os.Args[2:]))
	commands := map[string]func() map[string]float64{
		"upload":   upload,
		"download": download,
		"small":    func() map[string]float64 { return requests(smallUpload) },
		"created":  func() map[string]float64 { return requests(createdWithUpload) },
		"head":     heads,
		"beside":   beside,
		"cut":      cut,
	}
	run, known := commands[command]
	if !known {
		fail(fmt.Errorf("%s is no command", command))
	}
	fail(json.NewEncoder(os.Stdout).Encode(run()))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// together runs `work` for each of n numbers at once and gives the seconds it took.
func together(n int, work func(number int)) float64 {
	var all sync.WaitGroup
	began := time.Now()
	for number := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			work(number)
		}()
	}
	all.Wait()
	return time.Since(began).Seconds()
}

func upload() map[string]float64 {
	pieces := cutUp(*size, *piece)
	uploads := make([]string, *parallel)
	links := make([]*link, *parallel)
	for number := range links {
		links[number] = dial()
		if !*bare {
			uploads[number] = links[number].create(*size)
		}
	}
	took := together(*parallel, func(number int) {
		for _, one := range pieces {
			links[number].patch(uploads[number], one)
		}
	})
	return map[string]float64{"seconds": took, "rate": float64(*size) * float64(*parallel) / (1 << 20) / took}
}

func download() map[string]float64 {
	links := make([]*link, *parallel)
	for number := range links {
		links[number] = dial()
	}
	location := *path
	if !*bare {
		location = links[0].create(*size)
		for _, one := range cutUp(*size, 1<<40) {
			links[0].patch(location, one)
		}
	}
	took := together(*parallel, func(number int) { links[number].download(location) })
	return map[string]float64{"seconds": took, "rate": float64(*size) * float64(*parallel) / (1 << 20) / took}
}

// requests does `act` as often as *count says on *parallel connections.
func requests(act func(*link)) map[string]float64 {
	links := make([]*link, *parallel)
	for number := range links {
		links[number] = dial()
	}
	each := *count / *parallel
	took := together(*parallel, func(number int) {
		for range each {
			act(links[number])
		}
	})
	return map[string]float64{"seconds": took, "rate": float64(each**parallel) / took}
}

func smallUpload(l *link) {
	location := l.create(*size)
	l.patch(location, segment{0, *size, ""})
}

func createdWithUpload(l *link) { l.createWith(*size) }

func heads() map[string]float64 {
	location := dial().create(*size)
	return requests(func(l *link) { l.head(location) })
}

// beside measures HEAD of an upload that nobody writes while others are at work.
func beside() map[string]float64 {
	watched := dial()
	location := watched.create(1 << 30)
	stop := make(chan struct{})
	for range *large {
		go writeForEver(stop)
	}
	dribble(*slow, stop)
	time.Sleep(500 * time.Millisecond)
	took := []float64{}
	for end := time.Now().Add(*lasting); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		began := time.Now()
		watched.head(location)
		took = append(took, time.Since(began).Seconds())
	}
	close(stop)
	sort.Float64s(took)
	return map[string]float64{"p50": took[len(took)/2], "p95": took[len(took)*95/100], "heads": float64(len(took))}
}

func writeForEver(stop chan struct{}) {
	for {
		l := dial()
		location := l.create(*size)
		for _, one := range cutUp(*size, *piece) {
			select {
			case <-stop:
				return
			default:
				l.patch(location, one)
			}
		}
		l.remove(location)
		l.close()
	}
}

// dribble begins n uploads that get *rate bytes per second each, in ten steps a second spread over all of them.
func dribble(n int, stop chan struct{}) {
	if n == 0 {
		return
	}
	links := make([]*link, n)
	for number := range links {
		links[number] = dial()
		location := links[number].create(1 << 30)
		links[number].begin(location, 0, 1<<30, "")
	}
	step := make([]byte, max(1, *rate))
	go func() {
		for turn := 0; ; turn++ {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			for number := turn % 10; number < n; number += 10 {
				links[number].write(step)
			}
		}
	}()
}

// cut breaks uploads off and asks for the offset at once, as a client does that comes back.
func cut() map[string]float64 {
	took := []float64{}
	lost, sent := 0.0, 0.0
	for range *count {
		l := dial()
		location := l.create(1 << 30)
		l.begin(location, 0, 1<<30, "")
		arrived := l.writeAndWait(8 << 20)
		asking := dial()
		l.break_(*reset)
		began := time.Now()
		offset := asking.offset(location)
		took = append(took, time.Since(began).Seconds())
		lost += float64(arrived - offset)
		sent += float64(arrived)
		asking.close()
	}
	sort.Float64s(took)
	return map[string]float64{
		"p50": took[len(took)/2], "p95": took[len(took)*95/100], "lost": lost / sent,
	}
}
