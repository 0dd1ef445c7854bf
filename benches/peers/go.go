// What people write with Go's net/http: a handler with the layer's checks.
//
// Serves at the address ADDR of the environment; with an argument, checks signatures by that token.
package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const (
	appID   = "1400000000"
	command = "Sns.CallbackFriendAdd"
	now     = 1669872112 // when the requests are signed
)

type friendAdd struct {
	CallbackCommand string
	PairList        []friendPair
	ClientCmd       string
	AdminAccount    string `json:"Admin_Account"`
	ForceFlag       int
}

type friendPair struct {
	FromAccount      string `json:"From_Account"`
	ToAccount        string `json:"To_Account"`
	InitiatorAccount string `json:"Initiator_Account"`
}

type answer struct {
	ActionStatus string
	ErrorCode    int
	ErrorInfo    string
}

// check returns what is wrong with a callback.
func check(token string, request *http.Request) string {
	parameters := request.URL.Query()
	if parameters.Get("CallbackCommand") != command {
		return "wrong command"
	}
	if parameters.Get("SdkAppid") != appID {
		return "wrong app"
	}
	if kind := parameters.Get("contenttype"); kind != "" && !strings.EqualFold(kind, "json") {
		return "wrong content type"
	}
	if token != "" {
		time := parameters.Get("RequestTime")
		seconds, err := strconv.ParseInt(time, 10, 64)
		if err != nil || seconds < now-60 || seconds > now+60 {
			return "too old"
		}
		digest := sha256.Sum256([]byte(token + time))
		sign := hex.EncodeToString(digest[:])
		if subtle.ConstantTimeCompare([]byte(sign), []byte(parameters.Get("Sign"))) != 1 {
			return "wrong signature"
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, request.Body, 1024*1024))
	if err != nil {
		return "no body"
	}
	var packet friendAdd
	if err := json.Unmarshal(body, &packet); err != nil {
		return "wrong body"
	}
	if packet.CallbackCommand != command {
		return "wrong command"
	}
	return ""
}

func main() {
	token := ""
	if len(os.Args) > 1 {
		token = os.Args[1]
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		answer := answer{ActionStatus: "OK"}
		if wrong := check(token, request); wrong != "" {
			answer.ActionStatus, answer.ErrorCode, answer.ErrorInfo = "FAIL", 1, wrong
		}
		response.Header().Set("Content-Type", "application/json")
		json.NewEncoder(response).Encode(answer)
	})
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), nil))
}
