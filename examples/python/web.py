"""A web application that hands work to heroq and streams its progress to the browser (server-sent events).

pip install fastapi uvicorn
heroq worker examples/python/web.py --threads 4         does the work
uvicorn --app-dir examples/python web:app               answers the browser: http://localhost:8000
"""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TypedDict

import heroq
import heroq.aio
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, StreamingResponse


class Step(TypedDict):
    done: int
    of: int


@heroq.actor("report", timeout=300, retries=3)
def report(rows: int) -> Iterator[Step]:
    """What it yields is streamed to whoever reads the job's stream, however many there are."""
    for row in range(rows):
        time.sleep(0.1)
        yield {"done": row + 1, "of": rows}


sup = heroq.aio.Supervisor()  # HEROQ_URL, else redis://localhost; opened by its first call


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    yield
    await sup.close()


app = FastAPI(lifespan=life)


@app.post("/reports", status_code=202)
async def start(rows: int = 50) -> dict[str, str]:
    job = await sup.submit(report.job(rows))
    return {"id": job.id}


@app.get("/reports/{job_id}")
async def status(job_id: str) -> dict[str, str]:
    try:
        return {"id": job_id, "status": await sup.get_status(job_id)}
    except heroq.NotFoundError:
        raise HTTPException(404, "there is no such report") from None


@app.delete("/reports/{job_id}")
async def stop(job_id: str) -> dict[str, str]:
    try:
        return {"id": job_id, "outcome": await sup.stop_job(job_id)}
    except heroq.NotFoundError:
        raise HTTPException(404, "there is no such report") from None


@app.get("/reports/{job_id}/events")
async def events(job_id: str) -> StreamingResponse:
    """Ends with the job. A browser that goes away ends the reading, not the job."""
    await status(job_id)

    async def read() -> AsyncIterator[str]:
        async for step in sup.stream(job_id):
            yield f"event: step\ndata: {step.decode()}\n\n"
        yield f"event: end\ndata: {json.dumps(await sup.get_status(job_id))}\n\n"

    return StreamingResponse(read(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Reports</title>
<body style="font: 1rem system-ui; max-width: 40rem; margin: 2rem auto; padding: 0 1rem">
<h1>Reports</h1><button>Make one</button><p><progress value="0" max="1" style="width: 100%"></progress><p id="said"></p>
<script>
  const [bar, said] = [document.querySelector("progress"), document.querySelector("#said")];
  document.querySelector("button").onclick = async () => {
    const { id } = await (await fetch("/reports", { method: "POST" })).json();
    const events = new EventSource(`/reports/${id}/events`);
    events.addEventListener("step", (e) => {
      const step = JSON.parse(e.data);
      [bar.value, bar.max, said.textContent] = [step.done, step.of, `${step.done} of ${step.of} rows`];
    });
    events.addEventListener("end", (e) => { said.textContent = JSON.parse(e.data); events.close(); });
  };
</script>"""
