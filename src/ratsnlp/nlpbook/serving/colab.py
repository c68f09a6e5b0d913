"""Google Colab: a page below its cell through the runtime's own port proxy, and the notebook's secrets.

Neither a token nor a tunnel is needed: Colab passes the runtime's ports to the browser that has the notebook open.
"""

import sys
from urllib.parse import urlsplit

from ratsnlp.nlpbook.errors import ServingError

PAGE_HEIGHT = "720"  # pixels, as `serve_kernel_port_as_iframe` takes them
BROWSER_SECONDS = 10.0  # the notebook's browser tab may be closed, and then nobody ever answers


def in_colab() -> bool:
    """Tell whether the code runs in a Colab notebook's kernel."""
    return "google.colab" in sys.modules


class ColabProxy:
    """A page of this machine below the cell that runs. `url` is None where the browser does not tell its address.

    Raises:
        ServingError: The code does not run in Colab.
    """

    is_public = False  # Colab asks for the account in which the notebook is open

    def __init__(self, url: str) -> None:
        if not in_colab():
            raise ServingError("this is no Colab notebook; expose='ngrok' or 'cloudflared' work anywhere")
        from google.colab import output

        port = urlsplit(url).port
        output.serve_kernel_port_as_iframe(port, height=PAGE_HEIGHT)
        try:
            script = f"google.colab.kernel.proxyPort({port})"
            self.url: str | None = output.eval_js(script, timeout_sec=BROWSER_SECONDS)
        except Exception:  # a refusal of the browser in any form; the frame above is what counts
            self.url = None

    def close(self) -> None:
        """Do nothing: the proxy belongs to Colab, and ends with the server behind it."""


def read_secret(name: str) -> str | None:
    """Return one of the secrets that the user keeps in Colab, or None where there is none for this notebook."""
    if not in_colab():
        return None
    try:
        from google.colab import userdata

        return userdata.get(name) or None
    except Exception:  # unknown, not for this notebook, a Colab without secrets: each has an error class of its own
        return None
